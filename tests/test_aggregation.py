from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pcqtool.aggregation import AGGREGATIONS, aggregate
from pcqtool.errors import ModelError, SettingsError

logit = st.one_of(st.floats(-50, 50), st.floats(allow_nan=False, max_value=1.7e308), st.just(-np.inf))


@st.composite
def segments(draw: st.DrawFn, values: st.SearchStrategy[float] = logit) -> tuple[np.ndarray, np.ndarray]:
    n, n_labels = draw(st.integers(1, 9)), draw(st.integers(1, 7))
    durations = arrays(np.float64, n, elements=st.floats(1e-5, 30))
    return draw(arrays(np.float64, (n, n_labels), elements=values)), draw(durations)


@pytest.mark.parametrize("rule", AGGREGATIONS)
@given(data=segments())
def test_probabilities(rule: str, data: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities = aggregate(*data, rule)
    assert probabilities.shape == data[0].shape[1:]
    assert probabilities.dtype == np.float64
    assert (probabilities >= 0).all()
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("rule", AGGREGATIONS)
@given(data=segments(), seed=st.integers(0, 999))
def test_order_of_segments_changes_not_a_bit(rule: str, data: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(len(data[0]))
    assert np.array_equal(aggregate(*data, rule), aggregate(data[0][shuffled], data[1][shuffled], rule))


@pytest.mark.parametrize("rule", [rule for rule in AGGREGATIONS if rule != "vote"])
@given(data=segments())
def test_one_segment_speaks_for_itself(rule: str, data: tuple[np.ndarray, np.ndarray]) -> None:
    logits, durations = data[0][:1], data[1][:1]
    assert aggregate(logits, durations, rule) == pytest.approx(aggregate(logits, durations, "mean-log"), abs=1e-12)


@pytest.mark.parametrize("rule", AGGREGATIONS)
@given(data=segments(st.floats(-50, 50)), shift=st.floats(-100, 100))
def test_logits_need_no_normalising(rule: str, data: tuple[np.ndarray, np.ndarray], shift: float) -> None:
    rounded = np.round(data[0])  # so that the shift makes no near tie an exact one
    moved = rounded + round(shift)
    assert aggregate(moved, data[1], rule) == pytest.approx(aggregate(rounded, data[1], rule), abs=1e-9)


@given(data=segments(st.floats(-50, 50)))
def test_equal_durations_weigh_equally(data: tuple[np.ndarray, np.ndarray]) -> None:
    durations = np.full(len(data[0]), 2.5)
    assert np.array_equal(aggregate(data[0], durations, "duration"), aggregate(data[0], durations, "mean-log"))


@given(data=segments(st.floats(-50, 50)), scale=st.floats(0.01, 100))
def test_only_shares_of_duration_count(data: tuple[np.ndarray, np.ndarray], scale: float) -> None:
    scaled = aggregate(data[0], data[1] * scale, "duration")
    assert scaled == pytest.approx(aggregate(*data, "duration"), abs=1e-9)


def test_by_hand() -> None:
    probabilities = np.array([[0.8, 0.2], [0.5, 0.5], [0.1, 0.9]])
    durations = np.array([3.0, 3.0, 1.0])
    logs = np.log(probabilities)
    assert aggregate(logs, durations, "mean") == pytest.approx([1.4 / 3, 1.6 / 3])
    odds = (0.8 * 0.5 * 0.1 / (0.2 * 0.5 * 0.9)) ** (1 / 3)
    assert aggregate(logs, durations, "mean-log")[0] == pytest.approx(odds / (1 + odds))
    odds = (0.8**3 * 0.5**3 * 0.1 / (0.2**3 * 0.5**3 * 0.9)) ** (1 / 7)
    assert aggregate(logs, durations, "duration")[0] == pytest.approx(odds / (1 + odds))


def test_mean_log_is_the_default() -> None:
    logs, durations = np.log([[0.8, 0.2], [0.3, 0.7]]), np.ones(2)
    assert AGGREGATIONS[0] == "mean-log"
    assert np.array_equal(aggregate(logs, durations), aggregate(logs, durations, "mean-log"))


def test_vote_counts_segments() -> None:
    logs = np.log([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.1, 0.6, 0.3]])
    assert aggregate(logs, np.ones(4), "vote") == pytest.approx([0.25, 0.75, 0], abs=1e-6)


@pytest.mark.parametrize("winner", [0, 1])
def test_tied_vote_goes_to_the_surer_label_wherever_it_stands(winner: int) -> None:
    logs = np.log([[0.6, 0.4], [0.1, 0.9]])[:, :: 1 if winner else -1]
    vote = aggregate(logs, np.ones(2), "vote")
    assert vote.argmax() == winner
    assert vote == pytest.approx([0.5, 0.5], abs=1e-6)


@given(data=segments(st.floats(-50, 50)))
def test_a_tie_is_all_that_the_tie_break_decides(data: tuple[np.ndarray, np.ndarray]) -> None:
    logits = np.round(data[0])
    votes = np.bincount(logits.argmax(axis=1), minlength=logits.shape[1])
    assert votes[aggregate(logits, data[1], "vote").argmax()] == votes.max()


def test_labels_ruled_out() -> None:
    ruled_out = np.array([[-np.inf, 0.0, 0.0]])
    for rule in ("mean-log", "mean", "duration"):
        assert aggregate(ruled_out, np.ones(1), rule) == pytest.approx([0, 0.5, 0.5])


def test_segments_that_rule_out_each_other_leave_a_draw() -> None:
    opposed = np.array([[0.0, -np.inf], [-np.inf, 0.0]])
    for rule in AGGREGATIONS:
        assert aggregate(opposed, np.ones(2), rule) == pytest.approx([0.5, 0.5])


def test_a_segment_that_says_nothing_is_uniform() -> None:
    assert aggregate(np.full((1, 4), -np.inf), np.ones(1)) == pytest.approx([0.25] * 4)


def test_single_precision_is_summed_in_double() -> None:
    logits = np.random.default_rng(0).normal(size=(2000, 7)).astype(np.float32)
    found = aggregate(logits, np.ones(2000, np.float32))  # type: ignore[arg-type]
    assert np.array_equal(found, aggregate(logits.astype(np.float64), np.ones(2000)))


@pytest.mark.parametrize(
    ("logits", "durations"),
    [
        (np.zeros((0, 3)), np.zeros(0)),
        (np.zeros((2, 0)), np.ones(2)),
        (np.zeros(3), np.ones(3)),
        (np.zeros((2, 3)), np.ones(3)),
        (np.array([[0.0, np.nan]]), np.ones(1)),
        (np.array([[0.0, np.inf]]), np.ones(1)),
        (np.zeros((2, 3)), np.array([1.0, -1.0])),
        (np.zeros((2, 3)), np.array([1.0, np.nan])),
        (np.zeros((2, 3)), np.zeros(2)),
    ],
)
def test_unusable_numbers_are_refused(logits: np.ndarray, durations: np.ndarray) -> None:
    with pytest.raises(ModelError, match="cannot aggregate"):
        aggregate(logits, durations)


def test_unknown_rule_names_the_known() -> None:
    with pytest.raises(SettingsError, match="'median'") as caught:
        aggregate(np.zeros((1, 2)), np.ones(1), "median")
    assert all(rule in caught.value.hint for rule in AGGREGATIONS)


@given(segments(st.floats(-50, 50)), st.integers(2, 4))
def test_a_track_joined_with_itself_keeps_its_probabilities(data, n_times) -> None:
    log_probs, durations = data
    for rule in ("mean", "duration", "blend"):
        again = aggregate(np.tile(log_probs, (n_times, 1)), np.tile(durations, n_times), rule)
        assert again == pytest.approx(aggregate(log_probs, durations, rule), abs=1e-9)


def test_blend_keeps_one_segment_and_multiplies_what_agrees() -> None:
    assert aggregate(np.log([[0.7, 0.2, 0.1]]), np.ones(1), "blend") == pytest.approx([0.7, 0.2, 0.1])
    alike = np.log([[0.70, 0.20, 0.10], [0.68, 0.22, 0.10]])
    assert aggregate(alike, np.ones(2), "blend") == pytest.approx(aggregate(alike, np.ones(2), "duration"), abs=1e-4)


def test_blend_is_the_expected_share_of_time_where_segments_disagree() -> None:
    certain = np.log(np.maximum(np.eye(3)[[0, 0, 0, 1]], 1e-9))
    assert aggregate(certain, np.ones(4), "blend") == pytest.approx([0.75, 0.25, 0.0], abs=0.06)
    assert aggregate(certain, np.array([1.0, 1.0, 1.0, 9.0]), "blend").argmax() == 1


@given(segments(st.floats(-50, 50)))
def test_blend_is_between_the_rules_that_it_blends(data) -> None:
    log_probs, durations = data
    blend, product = (aggregate(log_probs, durations, rule) for rule in ("blend", "duration"))
    shifted = np.exp(log_probs - log_probs.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    mean = np.average(probabilities, axis=0, weights=durations)
    assert (blend >= np.minimum(mean, product) - 1e-9).all()
    assert (blend <= np.maximum(mean, product) + 1e-9).all()
