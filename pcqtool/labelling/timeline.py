"""The emotions of a channel over time: cells between the edges of its segments, and events that span several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.segment import SAMPLE_RATE, SegmentSpan
from pcqtool.labelling.event_rule import HYSTERESIS, EventRule

Array = NDArray[np.float64]

ROUNDING = 1e-6
"""Probabilities that differ by no more may be equal: batches of another size round otherwise."""


@dataclass(frozen=True)
class EmotionTimeline:
    """The classified time of a channel, divided at every start and end of a segment.

    Attributes:
        starts_s: ``(m,)``, start of each cell in seconds, ascending.
        ends_s: ``(m,)``, end of each cell. Time between cells was not classified.
        probabilities: ``(m, L)``: where segments overlap, the mean of theirs.
        weights_s: ``(m,)``, seconds that the cell counts in the file row.
    """

    starts_s: Array
    ends_s: Array
    probabilities: Array
    weights_s: Array

    @property
    def labels(self) -> NDArray[np.int64]:
        """Number of the most probable label of each cell, ``(m,)``."""
        labels: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return labels

    def shares(self) -> Array:
        """Return the share of the time in which each label is the most probable one, ``(L,)``, summing to 1."""
        seconds = np.bincount(self.labels, self.weights_s, self.probabilities.shape[1])
        return np.asarray(seconds / seconds.sum())

    def longest(self, label: int) -> tuple[float, float]:
        """Return duration and start, in seconds, of the longest stretch with a most probable label; 0 without any."""
        runs = [(self.ends_s[b - 1] - self.starts_s[a], a) for a, b in self.runs(self.labels == label)]
        duration_s, cell = max(runs, key=lambda run: (run[0], -run[1]), default=(0.0, 0))
        return float(duration_s), float(self.starts_s[cell])

    def runs(self, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
        """Yield first cell and end of each run of chosen cells that follow each other without a gap."""
        joined = chosen[1:] & chosen[:-1] & (self.starts_s[1:] <= self.ends_s[:-1])
        cells = np.flatnonzero(chosen)
        if len(cells):
            breaks = np.flatnonzero(~joined[cells[:-1]])
            edges = [0, *(breaks + 1).tolist(), len(cells)]
            for a, b in pairwise(edges):
                yield int(cells[a]), int(cells[b - 1]) + 1


def make_timeline(spans: Sequence[SegmentSpan], probabilities: Array) -> tuple[EmotionTimeline, Array]:
    """Divide the time of classified segments into cells.

    Args:
        spans: of n segments, ordered by start.
        probabilities: ``(n, L)``.

    Returns:
        The timeline; and the seconds that each segment counts in the file row, ``(n,)``: its seconds without silence
        at its edges, where the time that several segments share is divided between them.
    """
    starts, ends, valid = (np.array(each, np.int64) for each in zip(*[span[:3] for span in spans], strict=True))
    ends += starts
    weights_s = valid / SAMPLE_RATE
    if (starts[1:] >= ends[:-1]).all():
        return EmotionTimeline(starts / SAMPLE_RATE, ends / SAMPLE_RATE, probabilities, weights_s), weights_s
    edges = np.unique(np.concatenate((starts, ends)))
    first, last = np.searchsorted(edges, starts), np.searchsorted(edges, ends)
    n_covering = np.zeros(len(edges) - 1)
    sums = np.zeros((len(edges) - 1, probabilities.shape[1]))
    density = np.zeros(len(edges) - 1)
    per_sample = weights_s / (ends - starts)
    for a, b, row, each in zip(first, last, probabilities, per_sample, strict=True):
        n_covering[a:b] += 1
        sums[a:b] += row
        density[a:b] += each
    covered = n_covering > 0
    shares = np.where(covered, np.diff(edges) / np.maximum(n_covering, 1), 0.0)
    totals = np.concatenate(([0.0], np.cumsum(shares)))
    cells = EmotionTimeline(
        edges[:-1][covered] / SAMPLE_RATE,
        edges[1:][covered] / SAMPLE_RATE,
        sums[covered] / n_covering[covered, None],
        (shares * density)[covered],
    )
    return cells, per_sample * (totals[last] - totals[first])


@dataclass(frozen=True)
class Event:
    """A stretch of time with one emotion, or with none.

    Attributes:
        start_s: start in seconds from the start of the recording.
        end_s: end in seconds.
        label: number of the label; None for time without an event.
        confidence: mean probability of the label, by seconds.
        peak: its highest probability.
        peak_s: start of the cell with that probability.
    """

    start_s: float
    end_s: float
    label: int | None = None
    confidence: float | None = None
    peak: float | None = None
    peak_s: float | None = None


def find_events(timeline: EmotionTimeline, rule: EventRule) -> list[Event]:
    """Find the events of a channel.

    A cell whose most probable label reaches ``rule.confidence`` begins an event. The event extends to neighbouring
    cells in both directions while the probability of its label is at least ``HYSTERESIS`` times that; a cell that two
    events claim goes to the more probable label. Then events of one label are joined across short gaps, unless
    there is an event of another label in between, and short events are left out.

    Args:
        timeline: of the channel.
        rule: the rule.

    Returns:
        Events in order, which do not overlap.
    """
    if timeline.probabilities.max() < rule.confidence:
        return []
    owners = _owners(timeline, rule.confidence)
    spans: list[tuple[int, int, int]] = []  # label, first cell, end
    for label in np.unique(owners[owners >= 0]).tolist():
        spans += [(label, a, b) for a, b in timeline.runs(owners == label)]
    joined: list[tuple[int, int, int]] = []
    for label, a, b in sorted(spans, key=lambda span: span[1]):
        before = joined[-1] if joined else (-1, 0, 0)
        if before[0] == label and timeline.starts_s[a] - timeline.ends_s[before[2] - 1] <= rule.gap_s:
            joined[-1] = (label, before[1], b)
        else:
            joined.append((label, a, b))
    events = (_event(timeline, *span) for span in joined)
    return [event for event in events if event.end_s - event.start_s >= rule.min_duration_s]


def cover(events: Sequence[Event], duration_s: float) -> list[Event]:
    """Add the time without an event, so that a recording is covered from 0 to its end exactly once.

    Examples:
        >>> [(each.start_s, each.end_s, each.label) for each in cover([Event(3.0, 6.0, 1)], 9.5)]
        [(0.0, 3.0, None), (3.0, 6.0, 1), (6.0, 9.5, None)]
    """
    covering: list[Event] = []
    known_s = 0.0
    for event in events:
        if event.start_s > known_s:
            covering.append(Event(known_s, event.start_s))
        known_s = duration_s if abs(event.end_s - duration_s) < 2 / SAMPLE_RATE else event.end_s
        covering.append(replace(event, end_s=known_s))
    if known_s < duration_s:
        covering.append(Event(known_s, duration_s))
    return covering


def first_highest(probabilities: Array) -> NDArray[np.int64]:
    """Return the first row of the highest value of each column, where a difference that may be rounding is none."""
    return np.asarray((probabilities >= probabilities.max(axis=0) - ROUNDING).argmax(axis=0))


def _owners(timeline: EmotionTimeline, confidence: float) -> NDArray[np.int64]:
    """Return the label of each cell's event, ``(m,)``; -1 for none."""
    best = timeline.labels
    begins = timeline.probabilities[np.arange(len(best)), best] >= confidence
    adjacent = timeline.starts_s[1:] <= timeline.ends_s[:-1]
    going_on = timeline.probabilities >= HYSTERESIS * confidence
    forward, backward = (np.where(begins, best, -1) for _ in range(2))
    for cell in range(1, len(best)):
        label = forward[cell - 1]
        if forward[cell] < 0 and label >= 0 and adjacent[cell - 1] and going_on[cell, label]:
            forward[cell] = label
    for cell in range(len(best) - 2, -1, -1):
        label = backward[cell + 1]
        if backward[cell] < 0 and label >= 0 and adjacent[cell] and going_on[cell, label]:
            backward[cell] = label
    cells = np.arange(len(best))
    is_earlier = timeline.probabilities[cells, forward] >= timeline.probabilities[cells, backward]
    return np.where(backward < 0, forward, np.where((forward < 0) | ~is_earlier, backward, forward))


def _event(timeline: EmotionTimeline, label: int, a: int, b: int) -> Event:
    probabilities = timeline.probabilities[a:b, label]
    lengths_s = timeline.ends_s[a:b] - timeline.starts_s[a:b]
    top = int(first_highest(probabilities))
    return Event(
        float(timeline.starts_s[a]),
        float(timeline.ends_s[b - 1]),
        label,
        float(np.average(probabilities, weights=lengths_s)),
        float(probabilities[top]),
        float(timeline.starts_s[a + top]),
    )
