"""``python -m benchmarks.commands``: whole commands as a user runs them, start-up included, in turn with openSMILE."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.calls import FORMS, audio_s_of, write_calls
from benchmarks.exit_code import exit_code_of
from benchmarks.markdown_page import HEAD, put
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
ROOT = Path(__file__).parents[1]
SAMPLING_S = 0.05


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
    section = write_section(found)
    print(section)
    if page is not None:
        page.write_text(put(section, page.read_text("utf-8") if page.exists() else HEAD), encoding="utf-8")


def make_commands(corpus: Path, hours: float, folder: Path) -> list[Command]:
    """Return the commands; files that they need are written into a folder."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    label = [str(Path(sys.executable).with_name("pcqtool")), "label", "--restart", "--quiet", "--device", "cpu"]
    out = ["--out", str(folder / "results.parquet")]
    script = folder / "opensmile_functionals.py"
    script.write_text(OPENSMILE, encoding="utf-8")
    length_s = audio_s_of(corpus)
    short = min(corpus.iterdir(), key=lambda path: abs(audio_s_of(path) - 2.0))
    found = [
        Command(
            "openSMILE ComParE", [sys.executable, str(script), str(corpus), str(cores), str(folder / "s.csv")], length_s
        ),
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


def run(words: Sequence[str]) -> float:
    """Run a command; return its wall-clock seconds."""
    started_s = time.perf_counter()
    _check(subprocess.Popen(words, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
    return time.perf_counter() - started_s


def peak_mb(words: Sequence[str]) -> float:
    """Run a command; return the largest memory of its processes together, in MB, looked up 20 times a second."""
    process, peak = subprocess.Popen(words, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE), 0.0
    while process.poll() is None:
        peak = max(peak, sum(_memory_mb(pid) for pid in _tree(process.pid)))
        time.sleep(SAMPLING_S)
    _check(process)
    return peak


def write_section(found: Sequence[Command]) -> str:
    """Return the measurements as a section of a page."""
    reference = found[0]
    lines = [
        "| command | seconds, median (range) | × real time | of openSMILE | memory, MB |",
        "| --- |" + " ---: |" * 4,
    ]
    for command in found:
        spread = f"{command.median_s:.2f} ({min(command.times_s):.2f} to {max(command.times_s):.2f})"
        rate = command.audio_s / command.median_s
        ratio = rate * reference.median_s / reference.audio_s
        shown = f"{ratio:.2f}" if command.audio_s == reference.audio_s else "–"
        lines.append(f"| {command.name} | {spread} | {rate:,.0f} | {shown} | {command.peak_mb:,.0f} |")
    about = (
        f"Made by `python -m benchmarks.commands`: each command as a user runs it, start-up included, in turn, "
        f"{len(reference.times_s)} times, all with the same cores. Memory is that of all its processes together."
    )
    return "\n".join(["## Whole commands\n", f"{about} {_about()}\n", *lines, ""])


def _about() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    units = torch.backends.cpu.get_cpu_capability()
    return f"{cores} cores, {units}; pcqtool {__version__}, openvino {version('openvino')}."


def _check(process: subprocess.Popen[bytes]) -> None:
    _, err = process.communicate()
    if process.returncode not in (0, 3):
        raise SystemExit(f"{process.args!r} failed:\n{err.decode(errors='replace')}")


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return
    for child in children.split():
        yield from _tree(int(child))


def _memory_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    sys.exit(exit_code_of(app, "python -m benchmarks.commands", None))
