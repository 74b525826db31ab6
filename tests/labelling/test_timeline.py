from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.audio.segment import SAMPLE_RATE, SegmentSpan
from pcqtool.labelling.event_rule import EventRule
from pcqtool.labelling.timeline import Event, cover, find_events, make_timeline


def span(start_s: float, end_s: float, valid_s: float | None = None) -> SegmentSpan:
    start, n = round(start_s * SAMPLE_RATE), round((end_s - start_s) * SAMPLE_RATE)
    return SegmentSpan(start, n, n if valid_s is None else round(valid_s * SAMPLE_RATE))


def grid(n: int, hop_s: float = 3.0) -> list[SegmentSpan]:
    return [span(hop_s * number, hop_s * number + 3.0) for number in range(n)]


def sure(*labels: int, p: float = 0.8) -> np.ndarray:
    """Probabilities of three labels, one of which is likely."""
    return np.array([[p if label == each else (1 - p) / 2 for each in range(3)] for label in labels])


def events_of(spans, probabilities, **rule) -> list[tuple[float, float, int | None]]:
    timeline, _ = make_timeline(spans, probabilities)
    return [(event.start_s, event.end_s, event.label) for event in find_events(timeline, EventRule(**rule))]


@st.composite
def channels(draw):
    """Segments with gaps or overlap, and probabilities."""
    n = draw(st.integers(1, 12))
    starts = np.cumsum(draw(st.lists(st.sampled_from([0.5, 1.0, 3.0, 5.0]), min_size=n, max_size=n)))
    lengths = draw(st.lists(st.sampled_from([1.0, 2.5, 3.0]), min_size=n, max_size=n))
    probabilities = np.random.default_rng(draw(st.integers(0, 1000))).dirichlet([0.5] * 3, n)
    return [span(a, a + b) for a, b in zip(starts.tolist(), lengths, strict=True)], probabilities


@given(channels())
def test_time_counts_once_and_shares_sum_to_one(channel) -> None:
    spans, probabilities = channel
    timeline, weights_s = make_timeline(spans, probabilities)
    assert (timeline.starts_s[1:] >= timeline.ends_s[:-1]).all()
    marked = np.zeros(max(each.end for each in spans), bool)
    for each in spans:
        marked[each.start : each.end] = True
    assert weights_s.sum() == pytest.approx(marked.sum() / SAMPLE_RATE)
    assert timeline.weights_s.sum() == pytest.approx(weights_s.sum())
    assert timeline.shares().sum() == pytest.approx(1.0)
    assert timeline.probabilities.sum(axis=1) == pytest.approx(np.ones(len(timeline.starts_s)))


@given(channels(), st.floats(0.34, 0.9), st.sampled_from([0.0, 1.0, 4.0]), st.sampled_from([0.0, 1.0, 6.0]))
def test_events_and_the_rest_cover_a_recording_once(channel, confidence, min_duration_s, gap_s) -> None:
    spans, probabilities = channel
    timeline, _ = make_timeline(spans, probabilities)
    events = find_events(timeline, EventRule(confidence, min_duration_s, gap_s))
    duration_s = float(timeline.ends_s[-1]) + 1.5
    covering = cover(events, duration_s)
    assert [0.0, *(each.end_s for each in covering)] == [*(each.start_s for each in covering), duration_s]
    assert all(each.start_s < each.end_s for each in covering)
    assert [each for each in covering if each.label is not None] == events
    for event in events:
        assert event.end_s - event.start_s >= min_duration_s
        assert event.confidence is not None
        assert event.peak is not None
        assert event.peak_s is not None
        assert event.peak >= confidence - 1e-9
        assert 0.0 < event.confidence <= event.peak + 1e-9
        assert event.start_s <= event.peak_s < event.end_s


def test_a_hop_of_a_segments_length_is_the_plain_grid() -> None:
    timeline, weights_s = make_timeline([*grid(3), span(9.0, 10.0)], sure(0, 1, 1, 2))
    assert timeline.starts_s.tolist() == [0.0, 3.0, 6.0, 9.0]
    assert weights_s.tolist() == [3.0, 3.0, 3.0, 1.0]
    assert timeline.shares().tolist() == [0.3, 0.6, 0.1]


def test_overlapping_segments_share_their_time() -> None:
    timeline, weights_s = make_timeline(grid(3, hop_s=1.0), sure(0, 0, 1))
    assert timeline.ends_s.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert weights_s.tolist() == pytest.approx([1 + 1 / 2 + 1 / 3, 1 / 2 + 1 / 3 + 1 / 2, 1 / 3 + 1 / 2 + 1])
    assert timeline.probabilities[2] == pytest.approx(sure(0, 0, 1).mean(axis=0))
    assert timeline.labels.tolist() == [0, 0, 0, 0, 1]


def test_silence_at_the_edges_does_not_count() -> None:
    _, weights_s = make_timeline([span(0.0, 3.0, valid_s=1.0), span(3.0, 6.0)], sure(0, 1))
    assert weights_s.tolist() == [1.0, 3.0]


def test_the_longest_stretch_ends_at_a_gap() -> None:
    timeline, _ = make_timeline([*grid(2), span(9.0, 12.0), span(12.0, 15.0), span(15.0, 17.0)], sure(0, 0, 0, 0, 0))
    assert timeline.longest(0) == (8.0, 9.0)
    assert timeline.longest(1) == (0.0, 0.0)


def test_of_equally_long_stretches_the_first_counts() -> None:
    timeline, _ = make_timeline(grid(4), sure(1, 0, 1, 0))
    assert timeline.longest(0) == (3.0, 3.0)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, [(0.0, 6.0, 0), (9.0, 12.0, 1)]),
        ({"confidence": 0.9}, []),
        ({"min_duration_s": 4.0}, [(0.0, 6.0, 0)]),
        ({"gap_s": 3.0}, [(0.0, 6.0, 0), (9.0, 12.0, 1)]),
    ],
)
def test_neighbouring_segments_of_one_label_are_an_event(rule, expected) -> None:
    probabilities = np.concatenate([sure(0, 0), [[0.34, 0.33, 0.33]], sure(1)])
    assert events_of(grid(4), probabilities, **rule) == expected


def test_an_event_goes_on_below_the_probability_that_begins_one() -> None:
    weaker = [[0.4, 0.3, 0.3]]  # three quarters of 0.5 are 0.375
    probabilities = np.concatenate([weaker, sure(0), weaker, [[0.36, 0.32, 0.32]]])
    assert events_of(grid(4), probabilities) == [(0.0, 9.0, 0)]
    assert events_of(grid(1), np.array(weaker)) == []


def test_a_segment_between_two_events_goes_to_the_more_probable_label() -> None:
    for between, expected in (
        ([0.45, 0.4, 0.15], [(0.0, 6.0, 0), (6.0, 9.0, 1)]),
        ([0.4, 0.45, 0.15], [(0.0, 3.0, 0), (3.0, 9.0, 1)]),
    ):
        assert events_of(grid(3), np.concatenate([sure(0), [between], sure(1)])) == expected


def test_events_of_one_label_are_joined_across_a_short_gap_only() -> None:
    apart = [span(0.0, 3.0), span(4.0, 7.0)]
    assert events_of(apart, sure(0, 0)) == [(0.0, 7.0, 0)]
    assert events_of(apart, sure(0, 0), gap_s=0.5) == [(0.0, 3.0, 0), (4.0, 7.0, 0)]
    between = [span(0.0, 3.0), span(3.0, 4.0), span(4.0, 7.0)]
    assert events_of(between, sure(0, 1, 0), gap_s=5.0) == [(0.0, 3.0, 0), (3.0, 4.0, 1), (4.0, 7.0, 0)]


def test_an_event_ends_where_the_recording_does() -> None:
    """At 44.1 kHz a recording ends between two samples of the 16 kHz that it is resampled to."""
    duration_s = 264_601 / 44_100
    assert cover([Event(0.0, 6.0, 1)], duration_s)[-1].end_s == duration_s
    assert [each.label for each in cover([Event(0.0, 6.0, 1)], 6.5)] == [1, None]
