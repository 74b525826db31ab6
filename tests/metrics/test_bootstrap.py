from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.metrics.bootstrap import N_RESAMPLES, bootstrap, paired_bootstrap
from pcqtool.metrics.scores import score

N_LABELS = 3


def people(right_by_speaker: list[float], n: int = 40) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Speakers of whom each says two classes alternately, and as a share of that is understood."""
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
    wa, ua = bootstrap(true, predicted, N_LABELS, speakers)
    # four speakers: all draws are a mix of 1.0 and 0.5, and one in sixteen is of one kind alone
    assert wa == pytest.approx((0.5, 1.0))
    assert ua == pytest.approx(wa)
    one_by_one = bootstrap(true, predicted, N_LABELS, [str(i) for i in range(len(true))])[0]
    assert one_by_one[1] - one_by_one[0] < 0.2
    labels = ("anger", "fear", "neutral")
    scores = score(true, predicted, np.eye(N_LABELS)[predicted], labels, speakers)
    assert (scores.wa_interval, scores.ua_interval) == (wa, ua)


def test_equal_speakers_leave_nothing_to_doubt():
    assert bootstrap(*people([0.75, 0.75, 0.75])[:2], N_LABELS, people([0.75] * 3)[2]) == (
        pytest.approx((0.75, 0.75)),
        pytest.approx((0.75, 0.75)),
    )


def test_the_seed_decides_the_draws():
    true, predicted, speakers = people([1.0, 0.9, 0.7, 0.55, 0.35, 0.3, 0.2, 0.1])
    first, again, other = (bootstrap(true, predicted, N_LABELS, speakers, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_a_draw_without_a_class_takes_the_mean_of_the_others():
    # one speaker says only anger (all right), the other only fear (all wrong): draws give UA 1, 1/2 or 0
    true, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0])
    assert bootstrap(true, predicted, N_LABELS, ["x", "x", "y", "y"])[1] == (0.0, 1.0)


def test_one_speaker_gives_neither_interval_nor_test():
    run = (np.array([0, 1]), np.array([0, 0]), ["x", "x"])
    assert bootstrap(run[0], run[1], N_LABELS, run[2]) is None
    assert paired_bootstrap(run, run, N_LABELS) is None


def test_equal_runs_do_not_differ():
    run = people([1.0, 0.5, 0.7])
    thrice = tuple(np.repeat(column, 3) for column in run)
    for other in (run, thrice):
        for test in paired_bootstrap(run, other, N_LABELS):
            assert (test.interval, test.p) == ((0.0, 0.0), 1.0)


def test_a_run_that_is_better_with_every_speaker_is_better():
    better, worse = people([1.0, 0.9, 0.8, 0.7, 0.9]), people([0.9, 0.7, 0.75, 0.6, 0.8])
    for test in paired_bootstrap(better, worse, N_LABELS):
        assert 0.05 <= test.interval[0] < 0.11 < test.interval[1] <= 0.2
        assert test.p == pytest.approx(2 / (N_RESAMPLES + 1))


def test_pairing_sees_more_than_two_intervals():
    """Speakers differ far more than the runs do, and both runs have the same speakers in a draw."""
    better, worse = people([1.0, 0.6, 0.2, 0.8]), people([0.95, 0.55, 0.15, 0.75])
    low, high = bootstrap(worse[0], worse[1], N_LABELS, worse[2])[0]
    assert low < 0.65 < high
    assert paired_bootstrap(better, worse, N_LABELS)[0].interval == pytest.approx((0.05, 0.05))


shares = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=4, max_size=4)


@settings(deadline=None)
@given(first=shares, second=shares)
def test_the_order_of_runs_turns_the_sign_and_nothing_else(first, second):
    there, back = (
        paired_bootstrap(people(first), people(second), N_LABELS),
        paired_bootstrap(people(second), people(first), N_LABELS),
    )
    for one, other in zip(there, back, strict=True):
        assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))
        assert one.p == other.p
        assert 0 < one.p <= 1
