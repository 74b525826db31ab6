"""Batches of segments of many recordings; each value goes back to the channel that its segment came from."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.channel_segmenter import Chunk
from pcqtool.audio.segment import SAMPLE_RATE, SegmentSpan
from pcqtool.batch.device_pool import DevicePool
from pcqtool.batch.task import Accumulator, BatchTask, Network, Row


@dataclass
class ChannelState:
    """The segments of one channel of one recording, or of one speaker in it, in order.

    Attributes:
        channel: its name.
        accumulator: collects the values of its segments.
        speaker: the speaker, if turns were given.
        spans: where each segment is.
        n_speech: samples of speech, or ``None`` without voice activity detection.
        pending: numbers of the segments that are still to be computed, ascending.
        values: computed values by segment number, until they are consumed.
        n_returned: number of segments whose rows were taken.
        n_consumed: number of segments that were computed and consumed.
        group: the number of the recording's group, for the network.
    """

    channel: str
    accumulator: Accumulator
    speaker: str | None = None
    spans: list[SegmentSpan] = field(default_factory=list)
    n_speech: int | None = 0
    pending: deque[int] = field(default_factory=deque)
    values: dict[int, Any] = field(default_factory=dict)
    n_returned: int = 0
    n_consumed: int = 0
    group: int = 0

    @property
    def n_done(self) -> int:
        """Number of segments, from the first on, that were computed or skipped."""
        return self.pending[0] if self.pending else len(self.spans)

    @property
    def speech_s(self) -> float | None:
        """Seconds of speech, or ``None`` without voice activity detection."""
        return None if self.n_speech is None else self.n_speech / SAMPLE_RATE

    def consume(self, number: int) -> Row:
        """Pass a segment that is done to the accumulator, in order; return its columns, none if it was skipped."""
        if number not in self.values:
            return {}
        self.n_consumed += 1
        return self.accumulator.add(self.values.pop(number), self.spans[number])


def spans_of(chunk: Chunk, trims_silence: bool) -> list[SegmentSpan]:
    """Return where the segments of a chunk are.

    Args:
        chunk: the chunk.
        trims_silence: whether silence at the edges of a segment does not go to the network.
    """
    lengths = chunk.n_samples.tolist()
    fractions = [None] * len(lengths) if chunk.speech_fraction is None else chunk.speech_fraction.tolist()
    inner = [(0, n) for n in lengths]
    if trims_silence and chunk.speech_span is not None:
        inner = chunk.speech_span.tolist()
    return [
        SegmentSpan(start, n, end - first, fraction, first)
        for start, n, fraction, (first, end) in zip(chunk.starts.tolist(), lengths, fractions, inner, strict=True)
    ]


class _Batch(NamedTuple):
    """A batch that is being computed: its segments, their memory, and their values to come."""

    segments: list[tuple[ChannelState, int]]
    waves: NDArray[np.float32]
    values: Future[list[Any]]


class Batcher:
    """Fills batches with segments of any channel; the batch size changes values by rounding only.

    Results are collected in the order of the batches, whichever device was faster. Close the batcher to stop early.

    Args:
        task: the computation.
        networks: compute other values than the task's own networks.

    Examples:
        >>> with closing(Batcher(task)) as batcher:  # doctest: +SKIP
        ...     for chunk in reader:
        ...         batcher.add(channel, chunk)
        ...     batcher.finish()  # channel.values has a value for each segment
    """

    def __init__(self, task: BatchTask, networks: Sequence[Network] | None = None) -> None:
        self.batch_size = task.batch_size
        self.settings = task.settings
        self._trims_silence = task.trims_silence
        self._devices = DevicePool(networks or task.networks)
        self._waves = np.empty((0, 0), np.float32)  # (batch_size, N); the first rows hold the pending segments
        self._free: list[NDArray[np.float32]] = []  # memory of batches that are done
        self._pending: list[tuple[ChannelState, int]] = []
        self._in_flight: deque[_Batch] = deque()

    def add(self, channel: ChannelState, chunk: Chunk) -> None:
        """Add the segments of a chunk; those with too little speech are skipped."""
        if self._waves.shape[1] != chunk.waves.shape[1]:
            self._waves, self._free = np.empty((self.batch_size, chunk.waves.shape[1]), np.float32), []
        channel.n_speech = None if chunk.n_speech is None else (channel.n_speech or 0) + chunk.n_speech
        for wave, span in zip(chunk.waves, spans_of(chunk, self._trims_silence), strict=True):
            if self.settings.has_enough_speech(span):
                row = self._waves[len(self._pending)]  # copied: a view would keep its whole chunk in memory
                row[: span.n_valid], row[span.n_valid :] = wave[span.offset : span.offset + span.n_valid], 0.0
                self._pending.append((channel, len(channel.spans)))
                channel.pending.append(len(channel.spans))
            channel.spans.append(span)
            if len(self._pending) == self.batch_size:
                self._submit()

    def finish(self) -> None:
        """Compute the pending segments, and collect all results."""
        if self._pending:
            self._submit()
        self._collect(0)

    def close(self) -> None:
        """Drop the batches that are not being computed yet."""
        self._devices.close()

    def _submit(self) -> None:
        n_samples = np.array([channel.spans[number].n_valid for channel, number in self._pending])
        groups = np.array([channel.group for channel, _ in self._pending])
        columns = (n_samples, groups) if groups.any() else (n_samples,)
        future = self._devices.submit(self._waves[: len(self._pending)], *columns)
        self._in_flight.append(_Batch(self._pending, self._waves, future))
        self._pending = []
        self._collect(self._devices.n_ahead)
        self._waves = self._free.pop() if self._free else np.empty_like(self._waves)

    def _collect(self, n_ahead: int) -> None:
        """Collect results, oldest batch first, until exactly ``n_ahead`` batches are in flight.

        Never poll for the fastest device: results must not depend on timing.
        """
        while len(self._in_flight) > n_ahead:
            batch = self._in_flight.popleft()
            for (channel, number), value in zip(batch.segments, batch.values.result(), strict=True):
                channel.values[number] = value
                channel.pending.popleft()
            if batch.waves.shape == self._waves.shape:
                self._free.append(batch.waves)
