from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.metrics.risk_coverage import THRESHOLDS, Coverage, risk_coverage

PREDICTIONS = st.lists(st.tuples(st.floats(0.0, 1.0, width=32), st.booleans()), min_size=1, max_size=50)


def test_labels_are_counted_by_hand():
    confidence, correct = [0.2, 0.55, 0.6, 0.9], [False, True, False, True]
    assert risk_coverage(confidence, correct, (0.0, 0.55, 0.6, 0.7, 0.95)) == (
        Coverage(0.0, 1.0, 0.5),
        Coverage(0.55, 0.75, 2 / 3),
        Coverage(0.6, 0.5, 0.5),
        Coverage(0.7, 0.25, 1.0),
        Coverage(0.95, 0.0, None),
    )


@given(PREDICTIONS, st.lists(st.floats(0.0, 1.0), max_size=6))
def test_it_agrees_with_a_count_of_each_threshold(predictions, thresholds):
    confidence, correct = (np.array(each) for each in zip(*predictions, strict=True))
    for threshold, found in zip(thresholds, risk_coverage(confidence, correct, thresholds), strict=True):
        kept = confidence.astype(np.float32) >= np.float32(threshold)
        accuracy = pytest.approx(correct[kept].mean()) if kept.any() else None
        assert (found.min_confidence, found.coverage, found.accuracy) == (threshold, kept.mean(), accuracy)


@given(PREDICTIONS)
def test_coverage_falls_with_the_threshold_and_starts_at_all(predictions):
    found = risk_coverage(*zip(*predictions, strict=True), (0.0, *THRESHOLDS, 1.0))
    coverage = [each.coverage for each in found]
    assert coverage == sorted(coverage, reverse=True)
    assert coverage[0] == 1.0
    assert found[0].accuracy == pytest.approx(np.mean([right for _, right in predictions]))
    assert all((each.accuracy is None) == (each.coverage == 0) for each in found)


@given(PREDICTIONS, st.randoms())
def test_the_order_of_predictions_does_not_matter(predictions, random):
    shuffled = random.sample(predictions, len(predictions))
    assert risk_coverage(*zip(*shuffled, strict=True)) == risk_coverage(*zip(*predictions, strict=True))


def test_calibrated_predictions_are_right_at_least_as_often_as_the_threshold():
    rng = np.random.default_rng(0)
    confidence = rng.random(20_000)
    for each in risk_coverage(confidence, rng.random(20_000) < confidence):
        assert each.accuracy == pytest.approx((1 + each.min_confidence) / 2, abs=0.02)
        assert each.coverage == pytest.approx(1 - each.min_confidence, abs=0.02)
