"""Consecutive segments of equal length; the last one is padded with zeros at its end (section 3.2 of the paper)."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16000  # Hz, of all audio after resampling
SEGMENT_S = 3.0
SEGMENT_SAMPLES = round(SEGMENT_S * SAMPLE_RATE)

T = TypeVar("T", bound=np.generic)


class SegmentSpan(NamedTuple):
    """Where a segment is, and how much of it is speech.

    Attributes:
        start: first sample, counted from the channel's start.
        n_samples: samples without padding.
        n_valid: samples that go to the network; fewer if silence is trimmed.
        speech: fraction of speech, 0 to 1; None without voice activity detection.
        offset: first of those samples within the segment.
    """

    start: int
    n_samples: int
    n_valid: int
    speech: float | None = None
    offset: int = 0

    @property
    def end(self) -> int:
        """First sample after the segment."""
        return self.start + self.n_samples

    @property
    def speech_s(self) -> float:
        """Seconds of speech; without voice activity detection, of audio."""
        return self.n_samples * (1.0 if self.speech is None else self.speech) / SAMPLE_RATE


class Segmenter(Generic[T]):
    """Cuts a stream of values, in blocks of any size, into rows of equal length. Each value is in exactly one row.

    Args:
        n_samples: the length of a segment.
        dtype: of the values.

    Examples:
        >>> cutter = Segmenter(4, np.int64)
        >>> cutter.push(np.arange(6))
        array([[0, 1, 2, 3]])
        >>> cutter.flush()
        (array([[4, 5, 0, 0]]), array([2]))
    """

    def __init__(self, n_samples: int, dtype: type[T]) -> None:
        self.n_samples = n_samples
        self._rest: npt.NDArray[T] = np.zeros(0, dtype)

    def push(self, block: npt.NDArray[T]) -> npt.NDArray[T]:
        """Add the next values ``(n,)``; return the segments that they complete, ``(m, n_samples)``, ``m >= 0``."""
        values = np.concatenate((self._rest, block))
        n_complete = len(values) // self.n_samples * self.n_samples
        self._rest = values[n_complete:].copy()
        return values[:n_complete].reshape(-1, self.n_samples)

    def flush(self) -> tuple[npt.NDArray[T], npt.NDArray[np.int64]]:
        """End the stream; return the incomplete segment ``(m, n_samples)``, ``m`` 0 or 1, and its length ``(m,)``."""
        n_left = len(self._rest)
        m = 1 if n_left else 0
        tail = np.zeros((m, self.n_samples), self._rest.dtype)
        if m:
            tail[0, :n_left] = self._rest
        self._rest = self._rest[:0]
        return tail, np.full(m, n_left, dtype=np.int64)
