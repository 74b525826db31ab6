"""``python -m benchmarks.gpu``: see ``benchmarks/gpu.sh``, which first installs what is missing."""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import typer

from benchmarks.exit_code import exit_code_of
from pcqtool.cli.common import console
from pcqtool.cli.common.program import Program
from pcqtool.errors import SettingsError

ROOT = Path(__file__).parents[2]
BUDGET_MIN = 8.0
OVERRUN_S = 30.0
"""Seconds after the budget at which the process ends itself, wherever it hangs."""

UNHURRIED = 10.0
"""By how much the limits of a rehearsal are larger: its machine may be busy with something else."""

LIMITS_S = {
    "agreement": 75.0,
    "ceilings": 20.0,
    "rates": 80.0,
    "end to end": 140.0,
    "kernels": 20.0,
    "copies": 15.0,
    "device": 30.0,
    "eager": 20.0,
    "decode": 45.0,
    "compiled": 75.0,
    "graphs": 20.0,
}
"""The steps in the order of their worth, each with its limit."""

app = Program(name="benchmarks.gpu", add_completion=False)


@app.command(
    examples="""
    benchmarks/gpu.sh --collect wheels          where there is network
    benchmarks/gpu.sh --wheels wheels           on the machine with the GPU
    benchmarks/gpu.sh --rehearse
    """
)
def measure(
    rehearse: Annotated[bool, typer.Option("--rehearse", help="Run all steps on the CPU, at toy size.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="DIR", help="Recordings, models and journal. Default: in build/."),
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option("--journal", metavar="FILE", help="JSON lines; a second run resumes. Default: in the folder."),
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE.md", help="Write the measurements into this page.")
    ] = None,
    budget: Annotated[
        float, typer.Option("--budget", min=0.0, metavar="MIN", help="Minutes for all steps.")
    ] = BUDGET_MIN,
    again: Annotated[
        list[str] | None, typer.Option("--again", metavar="STEP", help="Measure this step even if it is done.")
    ] = None,
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="Measure nothing; show any machine's journal.")
    ] = False,
) -> None:
    """Measure labelling on a GPU, step by step, in a few minutes."""
    if unknown := sorted(set(again or ()) - set(LIMITS_S)):
        raise SettingsError(f"there is no step {unknown[0]!r}", f"Steps: {', '.join(LIMITS_S)}.")
    import torch

    from benchmarks import stages
    from benchmarks.gpu import page as pages
    from benchmarks.gpu.bench import FULL, REHEARSAL, Bench
    from benchmarks.gpu.journal import Attempt, Journal, Step, run_steps
    from pcqtool.model.device import choose_device

    if not (rehearse or tables_only or torch.cuda.is_available()):
        raise SettingsError("torch finds no GPU on this machine", "Use --rehearse, or --tables-only.")
    device = choose_device("cpu" if rehearse or tables_only else "cuda")
    folder = folder or ROOT / "build" / ("gpu-rehearsal" if rehearse else "gpu")
    notes = Journal(journal or folder / "journal.jsonl", None if tables_only else _about(device))
    scale = REHEARSAL if rehearse else FULL
    bench = Bench(device, scale, folder, notes)
    patience = UNHURRIED if rehearse else 1.0
    steps = [Step(name, patience * LIMITS_S[name], partial(work, bench)) for name, work in _steps().items()]

    def on_end(name: str, attempt: Attempt) -> None:
        reason = f" ({attempt.reason})" if attempt.reason else ""
        console.info(f"{name}: {attempt.state}{reason}; {len(attempt.figures)} lines, {attempt.seconds:.1f} s")

    try:
        if not tables_only:
            with (
                patch.object(stages, "MIN_S", scale.min_s),
                _ended_after(60.0 * budget + OVERRUN_S),
                _threads(1 if rehearse else torch.get_num_threads()),
            ):
                run_steps(steps, notes, 60.0 * budget, on_end, again or ())
    finally:
        notes.close()
        if page is not None:
            from benchmarks.markdown_page import put
            from pcqtool.files.atomic import write_whole

            before = page.read_text(encoding="utf-8") if page.exists() else pages.HEAD
            write_whole(page, put(pages.write_section(notes, list(LIMITS_S)), before).encode())
        console.print_page(pages.write_summary(notes, list(LIMITS_S)).strip())


def _steps() -> Mapping[str, Callable[[Any], Iterator[Mapping[str, Any]]]]:
    from benchmarks.gpu import data_steps, network_steps, run_steps

    homes = (network_steps, data_steps, run_steps)
    found = {}
    for name in LIMITS_S:
        function = name.replace(" ", "_")
        found[name] = next(getattr(home, function) for home in homes if hasattr(home, function))
    return found


def _about(device: Any) -> dict[str, str]:
    import torch
    import transformers
    from joblib import cpu_count

    from pcqtool.version import __version__

    on_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else "CPU (a rehearsal)",
        "cores": str(cpu_count()),
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
        "pcqtool": __version__,
    }


@contextmanager
def _threads(n: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """End the process if it takes too long: a computation in C cannot be interrupted otherwise."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return exit_code_of(app, "benchmarks/gpu.sh", arguments)


if __name__ == "__main__":
    sys.exit(main())
