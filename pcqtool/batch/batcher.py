"""Batches: segments of many recordings side by side, each value handed back to its track."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pcqtool.audio.channel_segmenter import Chunk
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.batch.device_pool import DevicePool, Promise
from pcqtool.batch.task import Accumulator, BatchTask, Row


@dataclass
class ChannelState:
    """What is known of the segments of one channel of one recording, in their order.

    Attributes:
        channel: its name.
        tally: what is made of it.
        n_samples: samples of each segment, padding not counted.
        n_heard: of these, those that are computed.
        speech: share of speech of each segment, or ``None`` without voice activity detection.
        waiting: numbers of the segments that are still to be computed, ascending.
        values: what was computed, by number of segment, until it is taken.
        n_taken: number of segments that were computed and taken.
    """

    channel: str
    tally: Accumulator
    n_samples: list[int] = field(default_factory=list)
    n_heard: list[int] = field(default_factory=list)
    speech: list[float | None] = field(default_factory=list)
    waiting: deque[int] = field(default_factory=deque)
    values: dict[int, Any] = field(default_factory=dict)
    n_taken: int = 0

    @property
    def n_settled(self) -> int:
        """Number of segments, from the first on, that were computed or passed over."""
        return self.waiting[0] if self.waiting else len(self.n_samples)

    @property
    def speech_s(self) -> float | None:
        """Seconds of speech, or ``None`` without voice activity detection."""
        if None in self.speech:
            return None
        return sum((share or 0.0) * n for share, n in zip(self.speech, self.n_samples, strict=True)) / SAMPLE_RATE

    def take(self, number: int) -> Row:
        """Hand a settled segment to the tally, in order; give its own columns, none if it was passed over."""
        if number not in self.values:
            return {}
        self.n_taken += 1
        return self.tally.add(self.values.pop(number), self.n_heard[number])


class Batcher:
    """Fills batches with segments from any track; the batch size changes no value beyond rounding.

    Values come back in the order of the batches, whatever device was faster. Close it to stop early.
    """

    def __init__(self, work: BatchTask) -> None:
        self.batch_size = work.settings.batch_size
        self.min_speech = work.settings.min_speech
        self._cuts = work.cuts
        self._replicas = DevicePool(work.computes, work.aside)
        self._waves = np.empty((0, 0), np.float32)  # (batch_size, N); its first rows belong to those who wait
        self._waiting: list[tuple[ChannelState, int]] = []
        self._under_way: deque[tuple[list[tuple[ChannelState, int]], Promise]] = deque()

    def add(self, track: ChannelState, chunk: Chunk) -> None:
        """Take a chunk's segments, without those with too little speech."""
        if self._waves.shape[1] != chunk.waves.shape[1]:
            self._waves = np.empty((self.batch_size, chunk.waves.shape[1]), np.float32)
        shares = [None] * len(chunk.waves) if chunk.speech_fraction is None else chunk.speech_fraction.tolist()
        spans = [(0, n) for n in chunk.n_samples.tolist()]
        if self._cuts and chunk.speech_span is not None:
            spans = chunk.speech_span.tolist()
        for wave, n_samples, share, (first, end) in zip(
            chunk.waves, chunk.n_samples.tolist(), shares, spans, strict=True
        ):
            if share is None or share >= self.min_speech:
                row = self._waves[len(self._waiting)]  # copied: a view would keep its whole chunk in memory
                row[: end - first], row[end - first :] = wave[first:end], 0.0
                self._waiting.append((track, len(track.n_samples)))
                track.waiting.append(len(track.n_samples))
            track.n_samples.append(n_samples)
            track.n_heard.append(end - first)
            track.speech.append(share)
            if len(self._waiting) == self.batch_size:
                self._submit()

    def finish(self) -> None:
        """Compute what is waiting, and wait for what is under way."""
        if self._waiting:
            self._submit()
        self._settle(0)

    def close(self) -> None:
        """Leave what is not computed yet."""
        self._replicas.close()

    def _submit(self) -> None:
        n_samples = np.array([track.n_heard[number] for track, number in self._waiting])
        promise = self._replicas.submit(self._waves[: len(self._waiting)], n_samples)
        self._under_way.append((self._waiting, promise))
        self._waiting = []
        if self._replicas.n_ahead:
            self._waves = np.empty_like(self._waves)
        self._settle(self._replicas.n_ahead)

    def _settle(self, n_ahead: int) -> None:
        """Hand back the values of the oldest batches, until so many are under way: never fewer, by whatever chance."""
        while len(self._under_way) > n_ahead:
            batch, promise = self._under_way.popleft()
            for (track, number), value in zip(batch, promise(), strict=True):
                track.values[number] = value
                track.waiting.popleft()
