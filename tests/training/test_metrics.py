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

from pcqtool.training.metrics import Spread, bootstrap, calibration_error, fold_spread, score, spread

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


def people(right_by_speaker: list[float], n: int = 40) -> tuple[np.ndarray, np.ndarray, list[str]]:
    true = np.tile(np.arange(n) % 2, len(right_by_speaker))
    predicted = np.concatenate(
        [
            np.where(np.arange(n) // 2 < share * n / 2, np.arange(n) % 2, 1 - np.arange(n) % 2)
            for share in right_by_speaker
        ]
    )
    return true, predicted, [f"s{i}" for i in range(len(right_by_speaker)) for _ in range(n)]


def test_intervals_hold_the_score_and_come_from_speakers_not_utterances():
    true, predicted, speakers = people([1.0, 0.5, 1.0, 0.5])
    scores = score(true, predicted, one_hot(predicted), LABELS, speakers)
    low, high = scores.wa_interval
    assert low < scores.wa < high
    # four speakers: all draws are a mix of 1.0 and 0.5, and one in sixteen is of one kind alone
    assert (low, high) == pytest.approx((0.5, 1.0))
    assert scores.ua_interval == pytest.approx(scores.wa_interval)
    one_by_one = bootstrap(true, predicted, LABELS, [str(i) for i in range(len(true))])[0]
    assert one_by_one[1] - one_by_one[0] < 0.2


def test_equal_speakers_leave_nothing_to_doubt():
    true, predicted, speakers = people([0.75, 0.75, 0.75])
    assert bootstrap(true, predicted, LABELS, speakers) == (pytest.approx((0.75, 0.75)), pytest.approx((0.75, 0.75)))


def test_the_seed_decides_the_draws():
    true, predicted, speakers = people([1.0, 0.9, 0.7, 0.55, 0.35, 0.3, 0.2, 0.1])
    assert bootstrap(true, predicted, LABELS, speakers, 1) == bootstrap(true, predicted, LABELS, speakers, 1)
    assert bootstrap(true, predicted, LABELS, speakers, 1) != bootstrap(true, predicted, LABELS, speakers, 2)


def test_a_draw_without_a_class_takes_the_mean_of_the_others():
    # one speaker says only anger (all right), the other only fear (all wrong): draws give UA 1, 1/2 or 0
    (_, _), (low, high) = bootstrap([0, 0, 1, 1], [0, 0, 0, 0], LABELS, ["x", "x", "y", "y"])
    assert (low, high) == (0.0, 1.0)


def test_one_speaker_gives_no_interval():
    assert bootstrap([0, 1], [0, 0], LABELS, ["x", "x"]) is None
    assert score([0, 1], [0, 0], one_hot([0, 0]), LABELS, ["x", "x"]).ua_interval is None


def test_spread_over_folds():
    assert spread([0.5, 0.7]) == Spread(pytest.approx(0.6), pytest.approx(0.02**0.5))
    assert spread([0.5]) == Spread(0.5, None)
    folds = [score([0, 1], predicted, one_hot(predicted), LABELS) for predicted in ([0, 1], [0, 0])]
    assert fold_spread(folds)["ua"] == Spread(pytest.approx(0.75), pytest.approx(0.125**0.5))
    assert set(fold_spread(folds)) == {"wa", "ua", "macro_f1"}


def test_importing_metrics_and_calibration_loads_nothing_heavy():
    parts = ", ".join(f"pcqtool.training.{part}" for part in ("splits", "metrics", "calibration"))
    code = f"import sys, {parts}; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sklearn", "scipy", "torch", "numpy"} & set(modules)
