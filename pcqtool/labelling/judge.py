"""The model's batches: segments of many recordings side by side, each judgement handed back to its track."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.lane import Chunk
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.model.predictor import Predictor


@dataclass
class Track:
    """What is known of the segments of one channel of one recording, in their order.

    Attributes:
        channel: its name.
        n_samples: samples of each segment, padding not counted.
        speech: share of speech of each segment, or ``None`` without voice activity detection.
        judged: the segments that the model sees, by number.
        log_probs: their log-probabilities ``(L,)``, as far as they are computed.
    """

    channel: str
    n_samples: list[int] = field(default_factory=list)
    speech: list[float | None] = field(default_factory=list)
    judged: list[int] = field(default_factory=list)
    log_probs: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether nothing is left to compute."""
        return len(self.log_probs) == len(self.judged)

    @property
    def speech_s(self) -> float | None:
        """Seconds of speech, or ``None`` without voice activity detection."""
        shares = [share * n for share, n in zip(self.speech, self.n_samples, strict=True) if share is not None]
        return sum(shares) / SAMPLE_RATE if len(shares) == len(self.speech) and shares else None


class Judge:
    """Fills batches with segments from any track; the batch size changes no judgement beyond rounding."""

    def __init__(self, predictor: Predictor, batch_size: int, min_speech: float) -> None:
        self.predictor = predictor
        self.batch_size = batch_size
        self.min_speech = min_speech
        self._waiting: list[tuple[Track, int, NDArray[np.float32]]] = []

    def add(self, track: Track, chunk: Chunk) -> None:
        """Take a chunk's segments; those with too little speech are not judged."""
        for row, wave in enumerate(chunk.waves):
            number = len(track.n_samples)
            share = None if chunk.speech is None else float(chunk.speech[row])
            track.n_samples.append(int(chunk.n_samples[row]))
            track.speech.append(share)
            if share is None or share >= self.min_speech:
                track.judged.append(number)
                self._waiting.append((track, number, wave))
        while len(self._waiting) >= self.batch_size:
            self._compute()

    def finish(self) -> None:
        """Compute what is still waiting."""
        while self._waiting:
            self._compute()

    def _compute(self) -> None:
        batch, self._waiting = self._waiting[: self.batch_size], self._waiting[self.batch_size :]
        log_probs = self.predictor.log_probs(np.stack([wave for _, _, wave in batch]))
        for (track, number, _), values in zip(batch, log_probs, strict=True):
            track.log_probs[number] = values


def spans(track: Track, segment_samples: int) -> Iterator[tuple[float, float, bool]]:
    """Give each segment's start and end in seconds, and whether it is padded."""
    for number, n in enumerate(track.n_samples):
        start = number * segment_samples
        yield start / SAMPLE_RATE, (start + n) / SAMPLE_RATE, n < segment_samples
