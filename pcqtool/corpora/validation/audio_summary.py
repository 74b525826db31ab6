"""The facts about a recording's audio that validation needs; no other file of ``pcqtool.corpora`` decodes audio."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pcqtool.errors import PcqtoolError

Result = TypeVar("Result")

DIGEST_BYTES = 8  # among a million recordings, two have the same digest with a probability of 1 in 40 million


@dataclass(frozen=True)
class AudioSummary:
    """The audio of one recording."""

    # hash of the samples, sample rate and number of channels, independent of the file format; empty without samples
    digest: str = ""
    duration_s: float = 0.0  # length of the audio that can be decoded
    n_channels: int = 0  # 0 if the file cannot be opened
    problem: str | None = None  # why it cannot be used, or not to its end; None if it can
    # pairs of channel and second, both counted from 0, that contain only silence or a constant
    silent: frozenset[tuple[int, int]] = frozenset()
    note: str | None = None  # an unusual way of processing, for example because mixing would cancel the channels

    def is_silent(self, channel: int | None = None, start_s: float = 0.0, end_s: float = math.inf) -> bool:
        """Whether an excerpt is silent, on one channel or, if that is None, on all."""
        seconds = range(int(start_s), math.ceil(min(end_s, self.duration_s)))
        numbers = range(self.n_channels) if channel is None else (channel,)
        return bool(seconds) and all((number, second) in self.silent for number in numbers for second in seconds)


def summarise(path: Path) -> AudioSummary:
    """Decode a recording to its end."""
    from pcqtool.audio.call_detection import choose_channels
    from pcqtool.audio.decoding.recording import open_recording
    from pcqtool.audio.loudness import SilenceDetector
    from pcqtool.audio.reader import join_notes
    from pcqtool.files.display import display_path

    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        with open_recording(path) as recording:
            digest.update(f"{recording.sample_rate} {recording.n_channels} ".encode())
            silence = SilenceDetector(recording.sample_rate)
            for block in recording.blocks():
                digest.update(block.astype("<f4", order="C", copy=False).data)
                silence.add(block)
            note = join_notes(recording.note, choose_channels(recording, "mix").note)
    except PcqtoolError as error:
        return AudioSummary(problem=error.what.removeprefix(f"{display_path(path)}: "))
    summary = AudioSummary(
        digest.hexdigest() if recording.n_frames else "",
        recording.n_frames / recording.sample_rate,
        recording.n_channels,
        recording.shortfall,
        frozenset(silence.seconds),
        note,
    )
    if not recording.n_frames:
        return replace(summary, problem="contains no audio")
    if summary.is_silent():
        return replace(summary, problem=f"contains {silence.description}")
    return summary


def summarise_all(
    paths: Iterable[Path], n_jobs: int, on_progress: Callable[[], None] = lambda: None
) -> dict[Path, AudioSummary]:
    """Decode recordings in threads.

    Args:
        paths: the recordings; a repeated path is decoded once.
        n_jobs: number of threads.
        on_progress: called after each recording, in the caller's thread.
    """
    return _map(summarise, paths, n_jobs, on_progress)


def duration_s(path: Path) -> float | None:
    """Return a recording's duration from its header or, if that does not state it, by decoding; None if unreadable."""
    from pcqtool.audio.decoding.recording import open_recording

    try:
        with open_recording(path) as recording:
            if recording.claimed_s is not None:
                return recording.claimed_s
    except PcqtoolError:
        return None
    return summarise(path).duration_s


def durations_s(
    paths: Iterable[Path], n_jobs: int, on_progress: Callable[[], None] = lambda: None
) -> dict[Path, float | None]:
    """Return the durations of recordings; the arguments are those of ``summarise_all``."""
    return _map(duration_s, paths, n_jobs, on_progress)


def _map(
    function: Callable[[Path], Result], paths: Iterable[Path], n_jobs: int, on_progress: Callable[[], None]
) -> dict[Path, Result]:
    results: dict[Path, Result] = {}
    distinct = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(n_jobs) as pool:
        for path, result in zip(distinct, pool.map(function, distinct), strict=True):
            results[path] = result
            on_progress()
    return results
