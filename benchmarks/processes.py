"""Programs as a user runs them, in processes of their own: wall-clock time, and memory with all that they start."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pcqtool.errors import PcqtoolError

ROOT = Path(__file__).parents[1]
SAMPLING_S = 0.05


def n_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(words: Sequence[str]) -> float:
    """Run a command; return its wall-clock seconds.

    Raises:
        PcqtoolError: if the command fails, with its messages.
    """
    started_s = time.perf_counter()
    _check(_start(words))
    return time.perf_counter() - started_s


def peak_mb(words: Sequence[str]) -> float:
    """Run a command; return the largest memory of its processes together, in MB, looked up 20 times a second.

    Memory that processes share counts once. It is 0 where ``/proc`` does not show it.

    Raises:
        PcqtoolError: if the command fails, with its messages.
    """
    process, peak = _start(words), 0.0
    while process.poll() is None:
        peak = max(peak, sum(_memory_mb(pid) for pid in _tree(process.pid)))
        time.sleep(SAMPLING_S)
    _check(process)
    return peak


def _start(words: Sequence[str]) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _check(process: subprocess.Popen[bytes]) -> None:
    _, err = process.communicate()
    if process.returncode not in (0, 3):
        raise PcqtoolError(f"a program failed: {process.args!r}", err.decode(errors="replace").strip())


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
