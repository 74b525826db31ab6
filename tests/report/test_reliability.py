from __future__ import annotations

import pytest

from pcqtool.report.reliability import draw_reliability, reliability


def test_confidence_is_measured_against_accuracy(predictions):
    found = reliability(predictions)
    assert found["after"].ece == pytest.approx(0.0, abs=1e-9)  # 0.8 sure, 32 of 40 right
    assert found["before"].ece == pytest.approx(0.15)
    (full,) = [each for each in found["before"].bins if each.n]
    assert (full.n, full.confidence, full.accuracy) == (40, pytest.approx(0.95), pytest.approx(0.8))
    assert full.low < 0.95 <= full.high


def test_bins_hold_every_prediction_once(predictions):
    for each in reliability(predictions).values():
        assert sum(row["n"] for row in each.rows()) == 40
        assert [row["low"] for row in each.rows()] == [number / 15 for number in range(15)]


def test_the_figure_says_both_errors(predictions, tmp_path, words):
    draw_reliability(reliability(predictions), "A title", tmp_path / "r.svg")
    said = words(tmp_path / "r.svg")
    assert {"A title", "after temperature, ECE 0.000", "before temperature, ECE 0.150", "accuracy, %"} <= set(said)
