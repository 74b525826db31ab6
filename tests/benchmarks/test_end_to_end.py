from __future__ import annotations

import os
import time

import pytest
import torch
from joblib import cpu_count

from benchmarks.end_to_end import System, on_cores, run_in_turn
from benchmarks.timings import Timings


def test_systems_run_in_turn_and_a_first_repetition_does_not_count():
    order = []
    systems = {name: System(lambda n=name: order.append(n), 1.0, 2) for name in "ab"}
    outcomes = run_in_turn(systems, 2)
    assert order == list("ababab")
    assert {name: len(outcome.rates) for name, outcome in outcomes.items()} == {"a": 2, "b": 2}
    assert {outcome.workers for outcome in outcomes.values()} == {2}
    assert outcomes["a"].timings is None


def test_the_median_repetition_counts_and_its_timings():
    naps_s = iter([0.0, 0.2, 0.6, 0.4])

    def run():
        nap_s = next(naps_s)
        time.sleep(nap_s)
        return Timings(nap_s, 0.0, 0.0, 0.0)

    outcome = run_in_turn({"a": System(run, audio_s=4.0, workers=1)}, 3)["a"]
    assert outcome.rate == pytest.approx(10.0, rel=0.2)
    assert outcome.timings.whole == 0.4


def test_cores_and_threads_are_restricted_for_a_while():
    before = torch.get_num_threads(), cpu_count()
    with on_cores(1):
        assert torch.get_num_threads() == 1
        if hasattr(os, "sched_getaffinity"):
            assert len(os.sched_getaffinity(0)) == cpu_count() == 1
    assert (torch.get_num_threads(), cpu_count()) == before
