from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.report.emotion_strip import MARK_STEPS_S, StripCell, emotion_strip, mark_step_s
from pcqtool.report.recording_result import LabelledSegment, TrackResult
from pcqtool.report.summary import EmotionEvent

LABELS = ("anger", "neutral")


def track(segments=(), events=()) -> TrackResult:
    return TrackResult(
        *("0", None, "ok", None, None, 12.0, None, None, None, None, {}, {}),
        events=tuple(EmotionEvent("a", "0", None, label, a, b, 0.6, 0.7, a) for a, b, label in events),
        segments=tuple(LabelledSegment(a, b, label, 0.5, None) for a, b, label in segments),
    )


def drawn(strip) -> str:
    return "".join("." if c is None else c.label[0].upper() if c.is_event else c.label[0] for c in strip)


def test_capital_letters_are_events():
    found = track([(0, 3, "anger"), (3, 6, None), (6, 9, "neutral"), (9, 12, "anger")], [(0, 3, "anger")])
    assert drawn(emotion_strip(found, LABELS, 12.0, 4)) == "A.na"
    assert drawn(emotion_strip(found, LABELS, 12.0, 12)) == "AAA...nnnaaa"


def test_a_cell_shows_what_most_of_its_time_is():
    found = track([(0, 3, "anger"), (3, 12, "neutral")], [(0, 3, "anger")])
    assert drawn(emotion_strip(found, LABELS, 12.0, 1)) == "n"


def test_overlapping_segments_count_once():
    found = track([(float(n), n + 3.0, "anger") for n in range(10)], [(0, 12, "anger")])
    assert drawn(emotion_strip(found, LABELS, 12.0, 6)) == "AAAAAA"


def test_nothing_classified_is_empty():
    assert emotion_strip(track(), LABELS, 12.0, 3) == [None] * 3
    assert emotion_strip(track(), LABELS, 0.0, 3) == [None] * 3


@given(
    st.lists(st.sampled_from([*LABELS, None]), max_size=20),
    st.integers(1, 100),
)
def test_every_cell_has_a_label_that_a_segment_in_it_has(labels, n_cells):
    segments = [(3.0 * n, 3.0 * n + 3.0, label) for n, label in enumerate(labels)]
    duration_s = 3.0 * len(labels)
    strip = emotion_strip(track(segments), LABELS, duration_s, n_cells)
    assert len(strip) == n_cells
    for number, cell in enumerate(strip):
        start_s, end_s = (duration_s / n_cells * each for each in (number, number + 1))
        inside = {label for a, b, label in segments if a < end_s and b > start_s} - {None}
        assert cell is None or (cell in {StripCell(label, False) for label in inside})
        assert inside or cell is None


@given(st.floats(0.1, 1e7), st.integers(10, 300))
def test_marks_have_room(duration_s, n_cells):
    step_s = mark_step_s(duration_s, n_cells, 10)
    assert step_s * n_cells / duration_s >= 10 * (1 - 1e-9)


@pytest.mark.parametrize(("duration_s", "step_s"), [(70, 10), (3600, 600), (86400, 14400), (864000, 172800)])
def test_marks_are_at_round_times(duration_s, step_s):
    assert mark_step_s(duration_s, 70, 10) == step_s
    assert step_s in MARK_STEPS_S or step_s % 86400 == 0
