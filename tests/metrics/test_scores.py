from __future__ import annotations

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pcqtool.metrics.scores import Spread, calibration_error, fold_spread, score, spread

LABELS = ("anger", "fear", "neutral")
certain = st.floats(0.0, 1.0)


def one_hot(classes: list[int]) -> np.ndarray:
    return np.eye(len(LABELS))[classes]


def test_scores_of_a_small_case_by_hand():
    true, predicted = [0, 0, 0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 2, 2, 2]
    scores = score(true, predicted, one_hot(predicted), LABELS)
    assert scores.n == 8
    assert scores.wa == pytest.approx(6 / 8)
    assert scores.recall == pytest.approx({"anger": 3 / 4, "fear": 1 / 2, "neutral": 1.0})
    assert scores.ua == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    assert scores.macro_f1 == pytest.approx((6 / 7 + 1 / 2 + 4 / 5) / 3)
    assert scores.confusion == [[3, 1, 0], [0, 1, 1], [0, 0, 2]]
    assert scores.ece == pytest.approx(2 / 8)  # always certain, wrong in two of eight
    assert scores.wa_interval is None


def test_names_and_indices_score_the_same():
    true, predicted = [0, 1, 2, 2], [0, 2, 2, 1]
    named = score([LABELS[i] for i in true], [LABELS[i] for i in predicted], one_hot(predicted), LABELS)
    assert named == score(true, predicted, one_hot(predicted), LABELS)


def test_a_class_that_does_not_occur_is_not_counted_and_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = score([0, 0, 1], [0, 2, 1], one_hot([0, 2, 1]), LABELS)
    assert scores.recall == {"anger": 0.5, "fear": 1.0, "neutral": None}
    assert scores.ua == pytest.approx(0.75)
    assert scores.macro_f1 == pytest.approx((2 / 3 + 1) / 2)
    assert scores.confusion[0] == [1, 0, 1]


def test_scores_are_json():
    scores = score([0, 1, 0, 1], [0, 1, 1, 1], one_hot([0, 1, 1, 1]), LABELS, groups=["x", "x", "y", "y"])
    text = json.dumps(scores.to_dict(), allow_nan=False)
    assert json.loads(text) == scores.to_dict()
    assert json.loads(text)["recall"]["neutral"] is None


@pytest.mark.parametrize(
    ("true", "predicted", "shape"),
    [([], [], (0, 3)), ([0], [0, 1], (1, 3)), ([0], [0], (1, 2)), ([3], [0], (1, 3)), (["joy"], ["fear"], (1, 3))],
)
def test_what_does_not_fit_is_refused(true, predicted, shape):
    with pytest.raises(ValueError, match=r"cannot score|class"):
        score(true, predicted, np.full(shape, 1 / 3), LABELS)


@given(st.lists(st.tuples(certain, st.booleans()), min_size=1, max_size=60))
def test_calibration_error_is_a_share_and_the_order_does_not_matter(pairs):
    sure, right = zip(*pairs, strict=True)
    error = calibration_error(sure, right)
    assert 0.0 <= error <= 1.0
    assert calibration_error(sure[::-1], right[::-1]) == pytest.approx(error)
    gap = abs(np.mean(sure) - np.mean(right))  # one single bin can only hide errors
    assert error >= gap - 1e-9


@given(st.lists(st.tuples(certain, st.booleans()), min_size=1, max_size=40))
def test_calibration_error_agrees_with_its_definition(pairs):
    sure, right = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    expected = 0.0
    for low, high in zip(range(15), range(1, 16), strict=True):
        inside = (sure * 15 > low) & (sure * 15 <= high) | ((low == 0) & (sure == 0))
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert calibration_error(sure, right) == pytest.approx(expected, abs=1e-12)


@given(st.integers(1, 50), certain)
def test_constant_confidence_errs_by_its_distance_from_the_accuracy(n_right, sure):
    right = np.arange(50) < n_right
    assert calibration_error(np.full(50, sure), right) == pytest.approx(abs(n_right / 50 - sure))


@given(arrays(np.int64, 40, elements=st.integers(0, 2)), arrays(np.int64, 40, elements=st.integers(0, 2)))
def test_accuracies_agree_with_their_definitions(true, predicted):
    scores = score(true, predicted, one_hot(predicted), LABELS)
    recalls = [np.mean(predicted[true == each] == each) for each in np.unique(true)]
    assert scores.ua == pytest.approx(np.mean(recalls))
    assert scores.wa == pytest.approx(np.trace(np.array(scores.confusion)) / 40)


def test_intervals_need_all_speakers():
    true, said = [0, 1, 0, 1], [0, 1, 1, 1]
    assert score(true, said, one_hot(said), LABELS, ["x", "x", "y", "y"]).wa_interval == (0.5, 1.0)
    assert score(true, said, one_hot(said), LABELS, ["x", "x", "y", None]).wa_interval is None
    assert score(true, said, one_hot(said), LABELS, ["x", "x", "x", "x"]).ua_interval is None


def test_calibration_before_the_temperature_is_that_of_other_probabilities():
    true, said = [0, 0, 1, 1], [0, 0, 1, 0]
    softened = np.array([[0.75, 0.25, 0.0], [0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.75, 0.25, 0.0]])
    scores = score(true, said, softened, LABELS, uncalibrated=one_hot(said))
    assert scores.ece == pytest.approx(0.0)
    assert scores.ece_uncalibrated == pytest.approx(0.25)
    assert score(true, said, softened, LABELS).ece_uncalibrated is None


def test_spread_over_folds():
    assert spread([0.5, 0.7]) == Spread(pytest.approx(0.6), pytest.approx(0.02**0.5))
    assert spread([0.5]) == Spread(0.5, None)
    folds = [score([0, 1], predicted, one_hot(predicted), LABELS) for predicted in ([0, 1], [0, 0])]
    assert fold_spread(folds)["ua"] == Spread(pytest.approx(0.75), pytest.approx(0.125**0.5))
    assert set(fold_spread(folds)) == {"wa", "ua", "macro_f1", "ece"}


def test_importing_metrics_and_calibration_loads_nothing_heavy():
    code = (
        "import sys, pcqtool.splits, pcqtool.metrics.scores, pcqtool.metrics.bootstrap, pcqtool.metrics.calibration;"
        "print(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sklearn", "scipy", "torch", "numpy"} & set(modules)
