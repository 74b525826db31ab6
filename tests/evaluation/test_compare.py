from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from pcqtool.errors import TableError
from pcqtool.evaluation.compare import compare, mcnemar
from pcqtool.metrics.bootstrap import N_RESAMPLES

TWO = [("a", 0, "s", 0, 0.5), ("b", 0, "s", 0, 0.5)]


def run(predictions, wrong=(), seeds=(0,), n_speakers=4, n=6):
    """Every speaker speaks all classes in turn; the (seed, file) pairs in ``wrong`` are predicted wrongly."""
    return predictions(
        [
            (file := f"{speaker}-{take}", take % 3, f"s{speaker}", (take + ((seed, file) in wrong)) % 3, 0.8, seed)
            for speaker in range(n_speakers)
            for take in range(n)
            for seed in seeds
        ]
    )


def test_a_better_run_is_better(predictions):
    worse = run(predictions, {(0, f"{speaker}-{speaker % 3}") for speaker in range(4)} | {(0, "0-5")})
    found = compare(run(predictions), worse)
    assert (found["n_utterances"], found["n_speakers"]) == (24, 4)
    assert (found["wa"]["first"], found["wa"]["second"]) == (1.0, pytest.approx(19 / 24))
    assert found["wa"]["difference"] == pytest.approx(5 / 24)
    low, high = found["wa"]["interval"]
    assert 0 < low < 5 / 24 < high
    assert found["wa"]["p"] == pytest.approx(2 / (N_RESAMPLES + 1))
    assert found["mcnemar"] == {"only_first_right": 5, "only_second_right": 0, "p": pytest.approx(2 / 2**5)}
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(found, allow_nan=False))
    back = compare(worse, run(predictions))
    assert back["ua"]["difference"] == pytest.approx(-found["ua"]["difference"])
    assert back["mcnemar"]["only_second_right"] == 5


def test_equal_runs_do_not_differ(predictions):
    found = compare(run(predictions, {(0, "1-1")}), run(predictions, {(0, "1-1")}))
    assert found["wa"]["difference"] == found["ua"]["difference"] == 0.0
    assert found["wa"]["p"] == found["mcnemar"]["p"] == 1.0


def test_seeds_are_averaged_and_decide_together_for_mcnemar(predictions):
    one = run(predictions, {(0, "0-0"), (1, "0-0"), (0, "1-0")}, seeds=(0, 1, 2))
    found = compare(one, run(predictions))
    assert found["wa"]["first"] == pytest.approx(1 - 3 / 72)
    assert found["wa"]["difference"] == pytest.approx(-3 / 72)
    assert found["mcnemar"]["only_second_right"] == 1  # two of three seeds are wrong


def test_unknown_speakers_leave_mcnemar_alone(predictions):
    nameless = predictions([("a", 0, None, 0, 0.5), ("b", 1, "s1", 0, 0.5)])
    found = compare(nameless, nameless)
    assert found["wa"]["interval"] is found["wa"]["p"] is None
    assert found["mcnemar"]["p"] == 1.0


def test_runs_on_other_utterances_are_refused(predictions):
    with pytest.raises(TableError, match="6 are in only one of them, first 4-0"):
        compare(run(predictions), run(predictions, n_speakers=5))
    with pytest.raises(TableError, match="the true classes of utterances"):
        compare(predictions([("a", 0, "s", 0, 0.5)]), predictions([("a", 1, "s", 0, 0.5)]))
    with pytest.raises(TableError, match="for some utterances than for others"):
        compare(predictions([*TWO, ("a", 0, "s", 0, 0.5, 1)]), predictions(TWO))


@pytest.mark.parametrize("name", [None, "other"])
def test_runs_that_name_other_speakers_are_refused(predictions, name):
    renamed = predictions([("a", 0, name, 0, 0.5), ("b", 0, "s", 0, 0.5)])
    for pair in ((predictions(TWO), renamed), (renamed, predictions(TWO))):
        with pytest.raises(TableError, match="the speakers of utterances"):
            compare(*pair)


def test_runs_with_other_labels_are_refused(predictions):
    with pytest.raises(TableError, match="different labels: anger, neutral, sadness and anger, fear, sadness"):
        compare(predictions(TWO), replace(predictions(TWO), labels=("anger", "fear", "sadness")))


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_mcnemar_agrees_with_its_definition(pairs):
    first, second = (np.array(column) for column in zip(*pairs, strict=True))
    found = mcnemar(first, second)
    rarer = min(found["only_first_right"], found["only_second_right"])
    n = found["only_first_right"] + found["only_second_right"]
    assert n == (first != second).sum()
    assert found["p"] == pytest.approx(min(1.0, 2 * binom.cdf(rarer, n, 0.5)))
