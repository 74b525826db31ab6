from __future__ import annotations

import time

import pytest

from pcqtool.bench.marks import Marks
from pcqtool.bench.rounds import Contender, in_turn


def test_contenders_run_in_turn_and_a_first_round_does_not_count():
    order = []
    contenders = {name: Contender(lambda n=name: order.append(n), 1.0) for name in "ab"}
    outcomes = in_turn(contenders, 2)
    assert order == list("ababab")
    assert {name: len(outcome.rates) for name, outcome in outcomes.items()} == {"a": 2, "b": 2}
    assert outcomes["a"].marks is None


def test_the_median_round_counts_and_its_marks():
    naps_s = iter([0.0, 0.2, 0.6, 0.4])

    def run():
        nap_s = next(naps_s)
        time.sleep(nap_s)
        return Marks(nap_s, 0.0, 0.0, 0.0)

    outcome = in_turn({"a": Contender(run, audio_s=4.0)}, 3)["a"]
    assert outcome.rate == pytest.approx(10.0, rel=0.2)
    assert outcome.marks.whole == 0.4
