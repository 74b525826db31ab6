"""A slow shared file system, imitated in front of a folder: every operation is counted, and may be made to wait.

``slow_files.c`` says what is counted. It is compiled when it is needed, and works on Linux alone.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

OPERATIONS = ("stat", "open", "read", "list", "write")
N_PHASES = 16

_SOURCE = Path(__file__).with_name("slow_files.c")
_CELL = struct.Struct("Q")

Counts = list[Counter[str]]
"""For each phase, how often each operation occurred."""


def is_possible() -> bool:
    """Whether there is a C compiler, on Linux."""
    return os.uname().sysname == "Linux" and shutil.which("cc") is not None


def build(folder: Path) -> Path:
    """Compile the library into a folder; return its path."""
    library = folder / "slow_files.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, _SOURCE, "-ldl"], check=True)
    return library


def settings(library: Path, folder: Path, counts: Path, latency_s: float = 0.0) -> Mapping[str, str]:
    """Return the environment of a process for which a folder is slow.

    Args:
        library: the compiled library.
        folder: what is below it is slow; an absolute path.
        counts: file for the counts of this process and of those that it starts; created or emptied.
        latency_s: how long each operation waits.
    """
    counts.write_bytes(bytes(N_PHASES * len(OPERATIONS) * _CELL.size))
    return {
        **os.environ,
        "LD_PRELOAD": str(library),
        "SLOW_FILES_FOLDER": str(folder),
        "SLOW_FILES_COUNTS": str(counts),
        "SLOW_FILES_MICROSECONDS": str(round(latency_s * 1e6)),
    }


def read_counts(path: Path) -> Counts:
    """Read the counts of all phases."""
    cells = [value for (value,) in _CELL.iter_unpack(path.read_bytes())]
    rows = [cells[first : first + len(OPERATIONS)] for first in range(0, len(cells), len(OPERATIONS))]
    return [Counter(dict(zip(OPERATIONS, row, strict=True))) for row in rows]


class Phases:
    """The phases of this process, one at a time: their operations are counted apart, and their time is taken.

    Args:
        names: the phases; the first is that of processes which never choose one.

    Attributes:
        cpu_s: processor time of the calling thread in each phase.
        took_s: time on the clock in each phase.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.cpu_s: dict[str, float] = dict.fromkeys(names, 0.0)
        self.took_s: dict[str, float] = dict.fromkeys(names, 0.0)
        self._choose = getattr(ctypes.CDLL(None), "slow_files_phase", lambda number: None)
        self._current = names[0]
        self._since_s = time.thread_time(), time.monotonic()

    def enter(self, name: str) -> str:
        """Begin a phase; return the one before."""
        before, now_s = self._current, (time.thread_time(), time.monotonic())
        for spent_s, end_s, since_s in zip((self.cpu_s, self.took_s), now_s, self._since_s, strict=True):
            spent_s[before] += end_s - since_s
        self._current, self._since_s = name, now_s
        self._choose(self.names.index(name))
        return before

    @contextmanager
    def within(self, name: str) -> Iterator[None]:
        """Be in a phase until the block ends."""
        before = self.enter(name)
        try:
            yield
        finally:
            self.enter(before)
