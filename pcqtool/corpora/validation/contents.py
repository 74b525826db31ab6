"""What is in a corpus's recordings, as far as one must know it to check a copy. No other part here reads audio."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pcqtool.errors import PcqtoolError

Found = TypeVar("Found")

DIGEST_BYTES = 8  # among a million recordings, two share one with a chance of 1 in 40 million


@dataclass(frozen=True)
class AudioSummary:
    """One recording.

    Attributes:
        digest: of the samples, the rate and the number of channels, whatever the file's format; empty if there are
            no samples.
        duration_s: of what can be decoded.
        n_channels: 0 if the file cannot be opened.
        fault: why it cannot be used, or not to its end; None if it can.
        silent: channels and seconds in which nothing is heard, each counted from 0; a constant is silence too.
        note: how it is heard where that is not the usual way, such as that mixing would cancel its channels.
    """

    digest: str = ""
    duration_s: float = 0.0
    n_channels: int = 0
    fault: str | None = None
    silent: frozenset[tuple[int, int]] = frozenset()
    note: str | None = None

    def is_silent(self, channel: int | None = None, start_s: float = 0.0, end_s: float = math.inf) -> bool:
        """Tell whether nothing is heard from one time to another, on a channel or, for None, on any of them."""
        seconds = range(int(start_s), math.ceil(min(end_s, self.duration_s)))
        numbers = range(self.n_channels) if channel is None else (channel,)
        return bool(seconds) and all((number, second) in self.silent for number in numbers for second in seconds)


def read(path: Path) -> AudioSummary:
    """Decode a recording to its end."""
    from pcqtool.audio.channel_choice import hear
    from pcqtool.audio.decoding.recording import open_recording
    from pcqtool.audio.loudness import Silence
    from pcqtool.audio.reader import join_notes
    from pcqtool.files.display import display_path

    seen = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        with open_recording(path) as recording:
            seen.update(f"{recording.sample_rate} {recording.n_channels} ".encode())
            silence = Silence(recording.sample_rate)
            for block in recording.blocks():
                seen.update(block.astype("<f4", order="C", copy=False).data)
                silence.listen(block)
            note = join_notes(recording.note, hear(recording, "mix").note)
    except PcqtoolError as error:
        return AudioSummary(fault=error.what.removeprefix(f"{display_path(path)}: "))
    found = AudioSummary(
        seen.hexdigest() if recording.n_frames else "",
        recording.n_frames / recording.sample_rate,
        recording.n_channels,
        recording.shortfall,
        frozenset(silence.seconds),
        note,
    )
    if not recording.n_frames:
        return replace(found, fault="holds no sound")
    if found.is_silent():
        return replace(found, fault=f"holds {silence.words}")
    return found


def read_all(paths: Iterable[Path], n_jobs: int, tell: Callable[[], None] = lambda: None) -> dict[Path, AudioSummary]:
    """Decode recordings in threads.

    Args:
        paths: each is read once.
        n_jobs: how many at a time.
        tell: called after each, from the caller's thread.
    """
    return _each(read, paths, n_jobs, tell)


def length_s(path: Path) -> float | None:
    """Take a recording's length from its header where that states it, else decode it; None if it is unreadable."""
    from pcqtool.audio.decoding.recording import open_recording

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
