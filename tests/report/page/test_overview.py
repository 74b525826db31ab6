from __future__ import annotations

import pytest

import pcqtool
from pcqtool.report.page.overview import MAX_FAILURES, confusion_of, overview_of
from pcqtool.report.page.tables import page_tables


def test_hours_count_a_recording_once_and_emotions_count_time(make_results):
    overview = overview_of(page_tables(pcqtool.read_results(make_results(["a.wav", "b.wav"], ("0", "1")))))
    assert (overview.n_recordings, overview.n_rows, overview.n_failed) == (2, 4, 0)
    assert overview.hours == pytest.approx(60 / 3600)
    assert overview.speech_hours == pytest.approx(4 * 15 / 3600)
    assert sum(seconds for _, seconds, _ in overview.emotions) == pytest.approx(80.0)
    assert [share for _, _, share in overview.emotions] == sorted((s for *_, s in overview.emotions), reverse=True)
    assert overview.statuses == {"ok": 4}


def test_failures_are_counted_and_some_are_named(make_results, set_file_row):
    names = [f"{n:03d}.wav" for n in range(MAX_FAILURES + 5)]
    path = make_results(names)
    for name in names[:2]:
        set_file_row(path, name, status="failed", error="no header")
    overview = overview_of(page_tables(pcqtool.read_results(path)))
    assert (overview.n_failed, overview.failures) == (2, (("000.wav", "no header"), ("001.wav", "no header")))


def test_a_confusion_has_rows_of_true_labels():
    found = confusion_of(
        ["anger", "anger", None, "fear", "anger"], ["anger", None, "anger", "anger", "sadness"], ("anger", "sadness")
    )
    assert [(row.truth, row.counts, row.recall) for row in found.rows] == [
        ("anger", (1, 1, 1), pytest.approx(1 / 3)),
        ("fear", (1, 0, 0), None),
    ]
    assert (found.n, found.accuracy, found.ua) == (4, 0.25, pytest.approx(1 / 3))
    assert confusion_of([None], ["anger"], ("anger",)) is None
