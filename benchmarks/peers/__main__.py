"""``python -m benchmarks.peers``: other programs for emotions in speech, in turn with pcqtool, and what they cost."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks import cost
from benchmarks.calls import audio_s_of
from benchmarks.end_to_end import on_cores
from benchmarks.exit_code import exit_code_of
from benchmarks.markdown_page import HEAD, put
from benchmarks.peers.measure import Conditions, measure_in_turn
from benchmarks.peers.page import write_section
from benchmarks.peers.peer import PEERS
from benchmarks.processes import n_cores
from pcqtool.cli.common.program import Program
from pcqtool.errors import SettingsError
from pcqtool.model.graph.runtime import fastest_format

app = Program(name="benchmarks.peers", add_completion=False)


@app.command()
def peers(
    corpus: Annotated[Path, typer.Argument(metavar="DIR", help="Short recordings, such as EMO-DB's wav folder.")],
    files: Annotated[int, typer.Option("--files", min=1, metavar="N", help="Largest number of recordings.")] = 100,
    repetitions: Annotated[int, typer.Option("--repetitions", min=1, metavar="N", help="Runs of each program.")] = 5,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="TEXT", help="Only programs whose name contains this.")
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, metavar="N", help="Cores of each program; 0 for all.")
    ] = 0,
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Virtual environments, and where random weights are kept.")
    ] = Path("build/peers"),
    price: cost.Price = cost.PRICE_USD,
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE.md", help="Write a section of this page.")
    ] = None,
) -> None:
    """Measure pcqtool, openSMILE, transformers, SpeechBrain and FunASR in turn, each in a process of its own."""
    paths = sorted(path.resolve() for path in corpus.iterdir())
    if not paths:
        raise SettingsError(f"there are no recordings in {corpus}", "Name a folder of recordings.")
    paths = paths[:: max(1, len(paths) // files)][:files]  # spread evenly over the corpus
    conditions = Conditions(paths, jobs or n_cores(), folder)
    chosen = [peer for peer in PEERS if not only or any(text.lower() in peer.name.lower() for text in only)]
    folder.mkdir(parents=True, exist_ok=True)
    with on_cores(conditions.n_cores):
        found = measure_in_turn(chosen, conditions, repetitions)
    machine = f"Vector units {torch.backends.cpu.get_cpu_capability()}; pcqtool computed in {fastest_format()}"
    section = write_section(found, conditions, sum(map(audio_s_of, paths)), machine, price)
    print(section)
    if page is not None:
        page.write_text(put(section, page.read_text("utf-8") if page.exists() else HEAD), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return exit_code_of(app, "python -m benchmarks.peers", arguments)


if __name__ == "__main__":
    sys.exit(main())
