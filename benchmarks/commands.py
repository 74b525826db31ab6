"""``python -m benchmarks.commands``: whole commands as a user runs them, start-up included, in turn with openSMILE."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks import cost
from benchmarks.calls import FORMS, audio_s_of, write_calls
from benchmarks.exit_code import exit_code_of
from benchmarks.markdown_page import HEAD, put, table
from benchmarks.processes import n_cores, peak_mb, run
from pcqtool.cli.common.program import Program
from pcqtool.version import __version__

app = Program(name="benchmarks.commands", add_completion=False)

OPENSMILE = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks import functionals

if __name__ == "__main__":
    paths = sorted(str(path) for path in Path(sys.argv[1]).iterdir())
    batches = [paths[start : start + 8] for start in range(0, len(paths), 8)]
    with ProcessPoolExecutor(int(sys.argv[2]), get_context("spawn"), functionals.load) as pool:
        frames = list(pool.map(functionals.extract, batches))
    import pandas

    pandas.concat(frames).to_csv(sys.argv[3])
"""


_LEAST_S = 10.0
"""Seconds of audio from which a command's cost for an hour is a sensible figure, and not that of its start."""


@dataclass
class Command:
    """A command that is measured.

    Attributes:
        name: what the page calls it.
        words: the command.
        audio_s: seconds of audio that it processes.
        times_s: wall-clock seconds of each repetition.
        peak_mb: largest memory of the process and all that it starts; memory that they share counts once.
    """

    name: str
    words: Sequence[str]
    audio_s: float
    times_s: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    @property
    def median_s(self) -> float:
        """Median wall-clock seconds."""
        return statistics.median(self.times_s)


@app.command()
def commands(
    corpus: Annotated[Path, typer.Argument(metavar="DIR", help="Short recordings, such as EMO-DB's wav folder.")],
    repetitions: Annotated[int, typer.Option("--repetitions", min=1, metavar="N", help="Runs of each command.")] = 5,
    hours: Annotated[float, typer.Option("--hours", metavar="H", help="Length of the stereo calls; 0 for none.")] = 1.0,
    price: cost.Price = cost.PRICE_USD,
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE.md", help="Write a section of this page.")
    ] = None,
) -> None:
    """Measure whole commands in turn: label with and without VAD, one short file, calls, and openSMILE."""
    with tempfile.TemporaryDirectory() as folder:
        found = make_commands(corpus, hours, Path(folder))
        for number in range(repetitions + 1):  # the first one warms the disk's cache, and measures memory
            for command in found:
                if number:
                    command.times_s.append(run(command.words))
                else:
                    command.peak_mb = peak_mb(command.words)
    section = write_section(found, price)
    print(section)
    if page is not None:
        page.write_text(put(section, page.read_text("utf-8") if page.exists() else HEAD), encoding="utf-8")


def make_commands(corpus: Path, hours: float, folder: Path) -> list[Command]:
    """Return the commands; files that they need are written into a folder."""
    label = [str(Path(sys.executable).with_name("pcqtool")), "label", "--restart", "--quiet", "--device", "cpu"]
    out = ["--out", str(folder / "results.parquet")]
    script = folder / "opensmile_functionals.py"
    script.write_text(OPENSMILE, encoding="utf-8")
    opensmile = [sys.executable, str(script), str(corpus), str(n_cores())]
    length_s = audio_s_of(corpus)
    short = min(corpus.iterdir(), key=lambda path: abs(audio_s_of(path) - 2.0))
    found = [
        Command("openSMILE ComParE", [*opensmile, str(folder / "features.csv")], length_s),
        Command("label --vad off", [*label, "--vad", "off", str(corpus), *out], length_s),
        Command("label", [*label, str(corpus), *out], length_s),
        Command("label --runtime torch", [*label, "--runtime", "torch", str(corpus), *out], length_s),
        Command("label, one file of 2 s", [*label, str(short), *out], audio_s_of(short)),
    ]
    for form in FORMS if hours else ():
        calls = folder / form
        write_calls(corpus, calls, form, hours)
        found.append(Command(f"label, stereo calls of 8 kHz, {form}", [*label, str(calls), *out], audio_s_of(calls)))
    return found


def write_section(found: Sequence[Command], price_usd: float = cost.PRICE_USD) -> str:
    """Return the measurements as a section of a page."""
    reference = found[0]
    head = ("command", "seconds, median (range)", "× real time", "of openSMILE", "memory, MB", *cost.HEAD)
    about = (
        f"Made by `python -m benchmarks.commands`: each command as a user runs it, start-up included, in turn, "
        f"{len(reference.times_s)} times, all with the same cores. Memory is that of all its processes together."
    )
    rows = table(head, (_row(command, reference, price_usd) for command in found))
    return "\n".join(["## Whole commands\n", f"{about} {_about()} {cost.price_note(price_usd)}\n", rows])


def _row(command: Command, reference: Command, price_usd: float) -> tuple[str, ...]:
    spread = f"{command.median_s:.2f} ({min(command.times_s):.2f} to {max(command.times_s):.2f})"
    rate = command.audio_s / command.median_s
    ratio = rate * reference.median_s / reference.audio_s
    shown = f"{ratio:.2f}" if command.audio_s == reference.audio_s else "–"
    is_long = command.audio_s >= _LEAST_S
    costs = cost.cost_cells(rate, n_cores(), price_usd) if is_long else ("–",) * len(cost.HEAD)
    return command.name, spread, f"{rate:,.0f}", shown, f"{command.peak_mb:,.0f}", *costs


def _about() -> str:
    units = torch.backends.cpu.get_cpu_capability()
    return f"{n_cores()} cores, {units}; pcqtool {__version__}, openvino {version('openvino')}."


if __name__ == "__main__":
    sys.exit(exit_code_of(app, "python -m benchmarks.commands", None))
