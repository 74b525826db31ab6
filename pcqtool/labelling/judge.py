"""The model's batches: segments of many recordings side by side, each judgement handed back to its track."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.lane import Chunk
from pcqtool.audio.segment import SAMPLE_RATE

if TYPE_CHECKING:  # it loads torch, which a run with nothing to do has no need of
    from pcqtool.model.predictor import Predictor


@dataclass
class Track:
    """What is known of the segments of one channel of one recording, in their order.

    Attributes:
        channel: its name.
        n_samples: samples of each segment, padding not counted.
        speech: share of speech of each segment, or ``None`` without voice activity detection.
        log_probs: log-probabilities ``(L,)`` by number of segment, for those that the model has seen.
    """

    channel: str
    n_samples: list[int] = field(default_factory=list)
    speech: list[float | None] = field(default_factory=list)
    log_probs: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def speech_s(self) -> float | None:
        """Seconds of speech, or ``None`` without voice activity detection."""
        if None in self.speech:
            return None
        return sum((share or 0.0) * n for share, n in zip(self.speech, self.n_samples, strict=True)) / SAMPLE_RATE


class Judge:
    """Fills batches with segments from any track; the batch size changes no judgement beyond rounding.

    Args:
        predictor: the model.
        batch_size: segments computed at once.
        min_speech: a segment with a smaller share of speech is not judged.
    """

    def __init__(self, predictor: Predictor, batch_size: int, min_speech: float) -> None:
        self.predictor = predictor
        self.batch_size = batch_size
        self.min_speech = min_speech
        self._waves = np.empty((0, 0), np.float32)  # (batch_size, N); its first rows belong to those who wait
        self._waiting: list[tuple[Track, int]] = []

    def add(self, track: Track, chunk: Chunk) -> None:
        """Take a chunk's segments; those with too little speech are not judged."""
        if self._waves.shape[1] != chunk.waves.shape[1]:
            self._waves = np.empty((self.batch_size, chunk.waves.shape[1]), np.float32)
        shares = [None] * len(chunk.waves) if chunk.speech is None else chunk.speech.tolist()
        for wave, n_samples, share in zip(chunk.waves, chunk.n_samples.tolist(), shares, strict=True):
            if share is None or share >= self.min_speech:
                self._waves[len(self._waiting)] = wave  # copied: a view would keep its whole chunk in memory
                self._waiting.append((track, len(track.n_samples)))
            track.n_samples.append(n_samples)
            track.speech.append(share)
            if len(self._waiting) == self.batch_size:
                self.finish()

    def finish(self) -> None:
        """Compute what is waiting."""
        if not self._waiting:
            return
        n_samples = np.array([track.n_samples[number] for track, number in self._waiting])
        log_probs = self.predictor.log_probs(self._waves[: len(self._waiting)], n_samples)
        for (track, number), values in zip(self._waiting, log_probs, strict=True):
            track.log_probs[number] = values
        self._waiting = []
