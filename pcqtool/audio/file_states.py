"""Sizes and times of many files: several at a time, if the file system takes long to answer."""

# With a hundred thousand files, strings are several times faster than Path objects.
# ruff: noqa: PTH116
from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

N_TRIED = 8
"""Files that are asked for one after the other, to see how long the file system takes."""

SLOW_S = 3e-4
"""An answer that takes longer comes from a server: a local disk needs some microseconds."""

N_THREADS = 16
"""Questions to a slow file system at a time."""

N_TOGETHER = 64
"""Files that a thread takes at a time."""

Entry = TypeVar("Entry")
State = TypeVar("State")


class FileState(NamedTuple):
    """Size and time of a file, and whether it was reached by a link.

    Attributes:
        size_bytes: None if it is missing, or is not a regular file.
        mtime: last change, in seconds since 1970; None likewise.
        is_link: whether the path is a symbolic link; size and time are those of its target.
    """

    size_bytes: int | None
    mtime: float | None
    is_link: bool = False


def state_of_entry(entry: os.DirEntry[str]) -> FileState:
    """Return the state of an entry of a folder; ``is_link`` stays False, because the entry knows that itself."""
    try:
        return _state(entry.stat())
    except OSError:
        return FileState(None, None)


def state_of_path(path: str) -> FileState:
    """Return the state of a path; one that is not a link costs a single call."""
    try:
        state = os.lstat(path)
        is_link = stat.S_ISLNK(state.st_mode)
        if is_link:
            state = os.stat(path)
    except OSError:
        return FileState(None, None, os.path.islink(path))  # noqa: PTH114
    return _state(state, is_link)


def states_of(function: Callable[[Entry], State], entries: Sequence[Entry]) -> list[State]:
    """Return the states of many files, in their order.

    Args:
        function: returns the state of one.
        entries: the files, in the order of their folder, which servers expect.
    """
    began_s = time.monotonic()
    first = [function(entry) for entry in entries[:N_TRIED]]
    rest = entries[N_TRIED:]
    if not rest or time.monotonic() - began_s < N_TRIED * SLOW_S:
        return [*first, *map(function, rest)]
    pieces = [rest[start : start + N_TOGETHER] for start in range(0, len(rest), N_TOGETHER)]
    with ThreadPoolExecutor(N_THREADS, "stat") as pool:
        return [
            *first,
            *(state for found in pool.map(lambda piece: [*map(function, piece)], pieces) for state in found),
        ]


def _state(state: os.stat_result, is_link: bool = False) -> FileState:
    is_file = stat.S_ISREG(state.st_mode)
    return FileState(state.st_size, state.st_mtime, is_link) if is_file else FileState(None, None, is_link)
