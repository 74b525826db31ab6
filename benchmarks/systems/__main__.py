"""``python -m benchmarks.systems``: PCQ and its rivals under the same protocols, a record of each run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.exit_code import exit_code_of
from benchmarks.systems.catalogue import CONDITIONS, PAPER_CONDITIONS, PAPER_SYSTEMS, SYSTEMS
from benchmarks.systems.records import RECORDS, collect, merge
from pcqtool.cli.common import console, options
from pcqtool.cli.common.program import Program
from pcqtool.errors import SettingsError

app = Program(name="benchmarks.systems", add_completion=False)

_SYSTEM_NAMES = {each.name: each for each in (*SYSTEMS, *PAPER_SYSTEMS)}
_CONDITION_NAMES = {each.name: each for each in (*CONDITIONS, *PAPER_CONDITIONS)}


@app.command()
def systems(
    root: options.Roots = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Gets a folder for each run.")] = Path(
        "systems"
    ),
    system: Annotated[
        list[str] | None,
        typer.Option("--system", metavar="NAME", help=f"Default: {', '.join(each.name for each in SYSTEMS)}."),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option("--condition", metavar="NAME", help=f"Default: {', '.join(each.name for each in CONDITIONS)}."),
    ] = None,
    seeds: options.Seeds = 1,
    device: options.Device = "auto",
    jobs: options.Jobs = 0,
    finished: Annotated[
        Path | None, typer.Option("--collect", metavar="DIR", help="Run nothing; record the finished runs in DIR.")
    ] = None,
    recordings: Annotated[
        Path | None,
        typer.Option("--speed", metavar="DIR", help="Measure how fast each system labels these recordings instead."),
    ] = None,
    records: Annotated[Path, typer.Option("--records", metavar="FILE", help="The records.")] = RECORDS,
) -> None:
    """Train and test every system under every condition, and record the results.

    The same command resumes: finished runs are kept, and a run whose recipe has changed is made again. A system or a
    corpus that is missing, or fails, is named, and the others go on.
    """
    unknown = sorted({*(system or ())} - {*_SYSTEM_NAMES} | {*(condition or ())} - {*_CONDITION_NAMES})
    if unknown:
        known = ", ".join((*_SYSTEM_NAMES, *_CONDITION_NAMES))
        raise SettingsError(f"no system or condition is called {', '.join(unknown)}", f"Known: {known}.")
    chosen = [_SYSTEM_NAMES[name] for name in system] if system else list(SYSTEMS)
    if finished is not None:
        found, notes = collect(finished)
        merge(records, found)
        for note in notes:
            console.warn(note)
        console.print_text(f"{len(found)} runs recorded in {records}")
    elif recordings is not None:
        from benchmarks.systems.speed import measure_speed

        with console.reporting() as on_progress:
            merge(records, measure_speed(chosen, recordings, out / "models", root or [], jobs, on_progress))
    else:
        from benchmarks.systems.runs import run_all

        conditions = [_CONDITION_NAMES[name] for name in condition] if condition else None
        with console.reporting() as on_progress:
            n_failed = run_all(chosen, conditions, root or [], out, records, seeds, device, jobs, on_progress)
        if n_failed:
            raise typer.Exit(1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return exit_code_of(app, "python -m benchmarks.systems", arguments)


if __name__ == "__main__":
    sys.exit(main())
