"""Where a channel is cut into segments: on a grid, at pauses between stretches of speech, or at given turns."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pcqtool.audio.segment import SAMPLE_RATE

PAUSE = round(0.5 * SAMPLE_RATE)  # samples; a longer pause always separates two segments
EDGE = round(0.05 * SAMPLE_RATE)  # samples kept before and after speech: half of the shortest pause that VAD finds

Span = tuple[int, int]
"""Start and end of a segment, in samples from the channel's start."""


class Cutter(Protocol):
    """Cuts a channel into segments, as far as its speech is known."""

    @property
    def needed_from(self) -> int:
        """No later segment starts before this sample."""

    def push(self, speech: npt.NDArray[np.uint8]) -> list[Span]:
        """Add the next samples ``(n,)``, 1 for speech; return the segments that are certain, in order."""

    def flush(self) -> list[Span]:
        """End the channel; return the remaining segments."""


class GridCutter:
    """Segments of equal length at equal distances, whatever they contain; the last one ends with the channel.

    Args:
        n_samples: of a segment.
        hop: samples from one segment's start to the next; at most ``n_samples``, so that nothing is left out.

    Examples:
        >>> cutter = GridCutter(n_samples=3, hop=2)
        >>> cutter.push(np.ones(6, np.uint8)), cutter.flush()
        ([(0, 3), (2, 5)], [(4, 6)])
    """

    def __init__(self, n_samples: int, hop: int) -> None:
        self.n_samples, self.hop = n_samples, hop
        self._next = self._n_known = self._n_covered = 0

    @property
    def needed_from(self) -> int:
        """No later segment starts before this sample."""
        return self._next

    def push(self, speech: npt.NDArray[np.uint8]) -> list[Span]:
        """Add the next samples; see ``Cutter``."""
        self._n_known += len(speech)
        spans = []
        while self._next + self.n_samples <= self._n_known:
            self._n_covered = self._next + self.n_samples
            spans.append((self._next, self._n_covered))
            self._next += self.hop
        return spans

    def flush(self) -> list[Span]:
        """End the channel; see ``Cutter``."""
        return [(self._next, self._n_known)] if self._n_known > self._n_covered else []


class PauseCutter:
    """Stretches of speech as segments. Those with a short pause in between share one if it has room for both.

    A stretch that is too long for a segment is divided into equal parts.

    Args:
        n_samples: longest segment.

    Examples:
        >>> cutter = PauseCutter(n_samples=48_000)
        >>> speech = np.zeros(160_000, np.uint8)
        >>> speech[16_000:32_000] = speech[80_000:144_000] = 1
        >>> cutter.push(speech), cutter.flush()
        ([(15200, 32800), (79200, 112000), (112000, 144800)], [])
    """

    def __init__(self, n_samples: int) -> None:
        self.n_samples = n_samples
        self._n_known = self._n_cut = 0
        self._start: int | None = None  # of the stretch of speech that has not ended yet
        self._next: Span | None = None  # the next segment, which may still grow

    @property
    def needed_from(self) -> int:
        """No later segment starts before this sample."""
        start = self._n_known - EDGE if self._start is None else self._start
        return max(0, start if self._next is None else min(start, self._next[0]))

    def push(self, speech: npt.NDArray[np.uint8]) -> list[Span]:
        """Add the next samples; see ``Cutter``."""
        spans: list[Span] = []
        before = np.concatenate((np.array([self._start is not None], np.uint8), speech[:-1]))[: len(speech)]
        changes: list[int] = (np.flatnonzero(speech != before) + self._n_known).tolist()
        for change in changes:
            if self._start is None:
                self._start = max(self._n_cut, change - EDGE, self._next[1] if self._next else 0)
            else:
                spans += self._cut_long(self._start, change)
                spans += self._add(self._start, change + EDGE)
                self._start = None
        self._n_known += len(speech)
        if self._start is not None:
            spans += self._cut_long(self._start, self._n_known)
        elif self._next is not None and self._n_known - EDGE - self._next[1] >= PAUSE:
            spans += self._take()
        return spans

    def flush(self) -> list[Span]:
        """End the channel; see ``Cutter``."""
        spans = [] if self._start is None else self._add(self._start, self._n_known)
        self._start = None
        return [(start, min(end, self._n_known)) for start, end in [*spans, *self._take()]]

    def _cut_long(self, start: int, end: int) -> list[Span]:
        """Cut segments off the stretch that has not ended yet, as long as it leaves enough for another."""
        spans: list[Span] = []
        while end - start >= 2 * self.n_samples:
            spans += [*self._take(), (start, start + self.n_samples)]
            self._n_cut = self._start = start = start + self.n_samples
        return spans

    def _add(self, start: int, end: int) -> list[Span]:
        """Add a stretch of speech; return the segments that it completes."""
        spans: list[Span] = []
        if self._next is not None:
            if start - self._next[1] < PAUSE and end - self._next[0] <= self.n_samples:
                start = self._next[0]
            else:
                spans += self._take()
        *whole, self._next = equal_parts(start, end, self.n_samples)
        if whole:  # parts of a stretch follow each other without a pause
            whole.append(self._next)
            self._next = None
            self._n_cut = end
        return spans + whole

    def _take(self) -> list[Span]:
        spans, self._next = [] if self._next is None else [self._next], None
        self._n_cut = max([self._n_cut, *(end for _, end in spans)])
        return spans


class TurnCutter:
    """Given turns as segments; a turn that is too long for a segment is divided into equal parts.

    Args:
        n_samples: longest segment.
        turns: start and end of each turn in samples, in order of their starts; turns that overlap are joined.
    """

    def __init__(self, n_samples: int, turns: Sequence[Span]) -> None:
        self._spans: deque[Span] = deque()
        for start, end in _joined(turns):
            self._spans += equal_parts(start, end, n_samples)
        self._n_known = 0

    @property
    def needed_from(self) -> int:
        """No later segment starts before this sample."""
        return min(self._spans[0][0], self._n_known) if self._spans else self._n_known

    def push(self, speech: npt.NDArray[np.uint8]) -> list[Span]:
        """Add the next samples; see ``Cutter``."""
        self._n_known += len(speech)
        spans = []
        while self._spans and self._spans[0][1] <= self._n_known:
            spans.append(self._spans.popleft())
        return spans

    def flush(self) -> list[Span]:
        """End the channel; see ``Cutter``."""
        rest, self._spans = self._spans, deque()
        return [(start, min(end, self._n_known)) for start, end in rest if start < self._n_known]


def equal_parts(start: int, end: int, n_most: int) -> list[Span]:
    """Divide a span into as few equal parts of at most ``n_most`` samples as possible.

    Examples:
        >>> equal_parts(0, 7, 4)
        [(0, 3), (3, 7)]
    """
    n_parts = -(-(end - start) // n_most)
    edges = [start + (end - start) * part // n_parts for part in range(n_parts + 1)]
    return list(pairwise(edges))


def _joined(turns: Sequence[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(turns):
        if joined and start < joined[-1][1]:
            start, end = joined[-1][0], max(end, joined.pop()[1])
        if end > start:
            joined.append((start, end))
    return joined
