"""The sample of a batch: a bounded amount of its speech, from which the batch's profile is measured."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.channel_segmenter import Chunk
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.batch.batcher import Batcher, ChannelState, spans_of
from pcqtool.batch.names import Source
from pcqtool.batch.prefetch import Piece, openings
from pcqtool.batch.task import BatchTask, ProfiledTask
from pcqtool.model.profile import Profile
from pcqtool.model.profile_file import NOTHING, BatchProfile, group_name
from pcqtool.progress import OnProgress, Progress, ignore

_NO_ACCUMULATOR: Any = None  # nothing becomes a row

BATCH_FILES = 100
"""Recordings with speech that are measured for a large batch."""

LEAST_FILES = 30
"""Recordings with speech that are measured for a small batch."""

SHARE = 12
"""In between, one recording in so many is measured: labelling then takes less than a tenth longer."""

GROUP_FILES = 30
"""Recordings with speech that are measured for each group."""

MAX_FILES = 1000
"""Recordings that are measured for the batch and all groups together; four times as many are tried."""

SPEECH_S = 3.0
"""Speech of each channel of a recording; the segment that reaches it is the last."""


@dataclass
class SampleChoice:
    """The choice of recordings: in an order that depends on their names alone, as far as each is needed.

    Args:
        n_files: recordings with speech that are measured for the batch.
        by: rule that names the group of a recording; empty without groups.
    """

    n_files: int
    by: str = ""
    n_tried: int = 0
    n_measured: int = 0
    _in_group: Counter[str | None] = field(default_factory=Counter)

    def needs(self, file: str) -> bool:
        """Whether a recording would be measured now. Once it is not, it never will be."""
        if self.n_measured >= MAX_FILES or self.n_tried >= 4 * MAX_FILES:
            return False
        if self.n_measured < self.n_files and self.n_tried < 4 * self.n_files:
            return True
        group = group_name(self.by, file)
        return group is not None and self._in_group[group] < GROUP_FILES

    def note(self, file: str, has_speech: bool) -> None:
        """Count a recording that was needed."""
        self.n_tried += 1
        self.n_measured += has_speech
        self._in_group[group_name(self.by, file)] += has_speech

    def candidates(self, sources: Sequence[Source]) -> Iterator[Source]:
        """Yield recordings in the order of a hash of their names, without those that are not needed any more."""
        ordered = sorted(sources, key=lambda source: hashlib.blake2b(source.file.encode(), digest_size=8).digest())
        return (source for source in ordered if self.needs(source.file))


def measure(
    task: ProfiledTask,
    sources: Sequence[Source],
    model: str,
    model_sha256: str,
    by: str = "",
    on_progress: OnProgress = ignore,
) -> BatchProfile:
    """Measure the profile of recordings, and of their groups, on a bounded sample of their speech.

    The sample depends on the names of the recordings and on which of them have speech in their first minute, neither on
    the order in which they were found nor on the number of cores. Recordings without speech, and unreadable ones, are
    passed over.

    Args:
        task: the model, and how recordings are read.
        sources: the recordings.
        model: name of the model.
        model_sha256: hash of the model.
        by: regular expression whose first group names the group of a recording; empty without groups.
        on_progress: is called with the number of measured recordings.

    Raises:
        ModelError: as the model.
        PcqtoolError: as ``openings``.
    """
    sample = SampleChoice(min(BATCH_FILES, max(LEAST_FILES, len(sources) // SHARE)), by)
    n_most = min(len(sources), MAX_FILES if by else sample.n_files)
    on_progress(Progress(0, n_most, "recordings measured"))
    chosen: dict[str, list[ChannelState]] = {}
    with (
        closing(Batcher(task, task.moments)) as batcher,
        closing(openings(sample.candidates(sources), task.settings)) as pieces,
    ):
        for piece in pieces:
            file = piece.source.file
            if not sample.needs(file):  # it was read ahead
                continue
            channels = [] if piece.failure else _add_speech(piece, batcher, task)
            sample.note(file, bool(channels))
            if channels:
                chosen[file] = channels
                on_progress(Progress(len(chosen), n_most, "recordings measured"))
        batcher.finish()
    members: dict[str, list[ChannelState]] = defaultdict(list)
    for file, channels in chosen.items():
        if (group := group_name(by, file)) is not None:
            members[group] += channels
    whole = _profile_of([channel for file in list(chosen)[: sample.n_files] for channel in chosen[file]])
    groups = {name: _profile_of(channels) for name, channels in members.items()}
    return BatchProfile(whole, model, model_sha256, len(chosen), by, groups)


def _add_speech(piece: Piece, batcher: Batcher, task: BatchTask) -> list[ChannelState]:
    """Add the first segments with speech of each channel to the batcher; return the channels that have any."""
    channels: dict[str, ChannelState] = {}
    for chunk in piece.chunks:
        channel = channels.setdefault(chunk.channel, ChannelState(chunk.channel, _NO_ACCUMULATOR))
        for number, segment in enumerate(spans_of(chunk, task.trims_silence)):
            if sum(span.n_valid for span in channel.spans) >= SPEECH_S * SAMPLE_RATE:
                break
            if task.settings.has_enough_speech(segment):
                batcher.add(channel, _segment(chunk, number))
    return [channel for channel in channels.values() if channel.spans]


def _segment(chunk: Chunk, number: int) -> Chunk:
    one = slice(number, number + 1)
    fraction = None if chunk.speech_fraction is None else chunk.speech_fraction[one]
    span = None if chunk.speech_span is None else chunk.speech_span[one]
    return Chunk(chunk.channel, chunk.starts[one], chunk.waves[one], chunk.n_samples[one], fraction, span)


def _profile_of(channels: Sequence[ChannelState]) -> Profile:
    moments = [channel.values[number] for channel in channels for number in range(len(channel.spans))]
    lengths = [span.n_valid for channel in channels for span in channel.spans]
    n_samples: NDArray[np.float64] = np.array(lengths, np.float64)
    return Profile.measured(np.stack(moments), n_samples / SAMPLE_RATE) if moments else NOTHING
