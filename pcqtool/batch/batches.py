"""Batches: segments of many recordings side by side, each value handed back to its track."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.lane import Chunk
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.batch.work import Row, Tally, Work
from pcqtool.errors import ModelError

_log = logging.getLogger(__name__)


@dataclass
class Track:
    """What is known of the segments of one channel of one recording, in their order.

    Attributes:
        channel: its name.
        tally: what is made of it.
        n_samples: samples of each segment, padding not counted.
        speech: share of speech of each segment, or ``None`` without voice activity detection.
        waiting: numbers of the segments that are still to be computed, ascending.
        values: what was computed, by number of segment, until it is taken.
        n_taken: number of segments that were computed and taken.
    """

    channel: str
    tally: Tally
    n_samples: list[int] = field(default_factory=list)
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
        return self.tally.add(self.values.pop(number), self.n_samples[number])


class Batches:
    """Fills batches with segments from any track; the batch size changes no value beyond rounding."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.batch_size = self.n_fitting = work.settings.batch_size
        self.min_speech = work.settings.min_speech
        self._waves = np.empty((0, 0), np.float32)  # (batch_size, N); its first rows belong to those who wait
        self._waiting: list[tuple[Track, int]] = []

    def add(self, track: Track, chunk: Chunk) -> None:
        """Take a chunk's segments; those with too little speech are passed over."""
        if self._waves.shape[1] != chunk.waves.shape[1]:
            self._waves = np.empty((self.batch_size, chunk.waves.shape[1]), np.float32)
        shares = [None] * len(chunk.waves) if chunk.speech is None else chunk.speech.tolist()
        for wave, n_samples, share in zip(chunk.waves, chunk.n_samples.tolist(), shares, strict=True):
            if share is None or share >= self.min_speech:
                self._waves[len(self._waiting)] = wave  # copied: a view would keep its whole chunk in memory
                self._waiting.append((track, len(track.n_samples)))
                track.waiting.append(len(track.n_samples))
            track.n_samples.append(n_samples)
            track.speech.append(share)
            if len(self._waiting) == self.batch_size:
                self.finish()

    def finish(self) -> None:
        """Compute what is waiting."""
        if not self._waiting:
            return
        n_samples = np.array([track.n_samples[number] for track, number in self._waiting])
        values = self._compute(self._waves[: len(self._waiting)], n_samples)
        for (track, number), value in zip(self._waiting, values, strict=True):
            track.values[number] = value
            track.waiting.popleft()
        self._waiting = []

    def _compute(self, waves: NDArray[np.float32], n_samples: NDArray[np.int64]) -> list[Any]:
        """Compute a batch in pieces that fit into memory; what size fits is remembered."""
        values: list[Any] = []
        while len(values) < len(waves):
            piece = slice(len(values), len(values) + self.n_fitting)
            try:
                values.extend(self.work.compute(waves[piece], n_samples[piece]))
            except MemoryError as fault:
                n = min(self.n_fitting, len(waves) - len(values))
                if n == 1:
                    raise ModelError(
                        f"there is not enough memory for one segment ({fault})",
                        "Free some, take a smaller model, or compute elsewhere with --device.",
                    ) from fault
                self.n_fitting = n // 2
                _log.warning("not enough memory for %d segments at once: going on with %d", n, self.n_fitting)
        return values
