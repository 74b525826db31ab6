"""What is in a corpus's recordings, as far as one must know it to check a copy. No other part here reads audio."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pcqtool.errors import PcqtoolError

Found = TypeVar("Found")

DIGEST_BYTES = 8  # among a million recordings, two share one with a chance of 1 in 40 million


@dataclass(frozen=True)
class Contents:
    """One recording.

    Attributes:
        digest: of the samples, the rate and the number of channels, whatever the file's format; empty if there are
            no samples.
        duration_s: of what can be decoded.
        n_channels: 0 if the file cannot be opened.
        fault: why it cannot be used, or not to its end; None if it can.
    """

    digest: str = ""
    duration_s: float = 0.0
    n_channels: int = 0
    fault: str | None = None


def read(path: Path) -> Contents:
    """Decode a recording to its end."""
    from pcqtool.audio.decode import open_recording
    from pcqtool.audio.discover import shown

    seen = hashlib.blake2b(digest_size=DIGEST_BYTES)
    silent = True
    try:
        with open_recording(path) as recording:
            seen.update(f"{recording.sample_rate} {recording.n_channels} ".encode())
            for block in recording.blocks():
                seen.update(block.astype("<f4", order="C", copy=False).data)
                silent = silent and not block.any()
            fault = recording.shortfall
            n_frames, duration_s = recording.n_frames, recording.n_frames / recording.sample_rate
    except PcqtoolError as error:
        return Contents(fault=error.what.removeprefix(f"{shown(path)}: "))
    if silent:
        fault = "holds nothing but silence" if n_frames else "holds no sound"
    return Contents(seen.hexdigest() if n_frames else "", duration_s, recording.n_channels, fault)


def read_all(paths: Iterable[Path], n_jobs: int, tell: Callable[[], None] = lambda: None) -> dict[Path, Contents]:
    """Decode recordings in threads.

    Args:
        paths: each is read once.
        n_jobs: how many at a time.
        tell: called after each, from the caller's thread.
    """
    return _each(read, paths, n_jobs, tell)


def length_s(path: Path) -> float | None:
    """Take a recording's length from its header where that states it, else decode it; None if it is unreadable."""
    from pcqtool.audio.decode import open_recording

    try:
        with open_recording(path) as recording:
            if recording.claimed_s is not None:
                return recording.claimed_s
    except PcqtoolError:
        return None
    return read(path).duration_s


def lengths_s(paths: Iterable[Path], n_jobs: int, tell: Callable[[], None] = lambda: None) -> dict[Path, float | None]:
    """Take the lengths of recordings, as ``read_all`` reads them."""
    return _each(length_s, paths, n_jobs, tell)


def _each(
    function: Callable[[Path], Found], paths: Iterable[Path], n_jobs: int, tell: Callable[[], None]
) -> dict[Path, Found]:
    found: dict[Path, Found] = {}
    distinct = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(n_jobs) as pool:
        for path, one in zip(distinct, pool.map(function, distinct), strict=True):
            found[path] = one
            tell()
    return found
