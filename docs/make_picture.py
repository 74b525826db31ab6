"""Make ``docs/images/label.svg``: the example recordings labelled, and the table that comes out.

python docs/make_picture.py
"""

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

ROOT = Path(__file__).parents[1]
COMMAND = "pcqtool label examples/recordings --out results.parquet"


def main() -> None:
    """Run the command for real and draw what it printed."""
    console = Console(record=True, width=112, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "results.parquet")
        command = [sys.executable, "-m", "pcqtool", *COMMAND.split()[1:-1], str(out)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 3):
            raise SystemExit(done.stderr)
        console.print(Text(f"$ {COMMAND}", style="bold"))
        for line in (done.stderr + done.stdout).splitlines():
            console.print(Text(line.replace(folder + "/", ""), style="dim"), no_wrap=True, overflow="ellipsis")
        console.print(Text("\n>>> pl.read_parquet('results.parquet')", style="bold"))
        console.print(_table(pl.read_parquet(out)))
    # rich names a font on another server; without it, a browser takes one of its own.
    picture = re.sub(r" *@font-face \{.*?\}\n", "", console.export_svg(title="pcqtool"), flags=re.DOTALL)
    (ROOT / "docs" / "images" / "label.svg").write_text(picture, encoding="utf-8")


def _table(frame: pl.DataFrame) -> Table:
    table = Table(header_style="bold cyan")
    columns = ["file", "channel", "duration_s", "speech_s", "label", "confidence", "prob_anger", "status"]
    for name in columns:
        table.add_column(name, no_wrap=True, justify="right" if frame[name].dtype.is_numeric() else "left")
    for row in frame.select(columns).iter_rows():
        cells = ["–" if cell is None else f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row]
        table.add_row(*cells, style={"failed": "red", "no_speech": "yellow"}.get(cells[-1], ""))
    return table


if __name__ == "__main__":
    main()
