from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.features.task import RunningStats


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 48000)), min_size=1, max_size=6),
    st.integers(0, 2**32 - 1),
    st.floats(-1e4, 1e4),
)
def test_pieces_give_what_all_values_at_once_give(sizes, seed, level):
    rng = np.random.default_rng(seed)
    pieces = [(rng.normal(level, 10, (n, 3)).astype(np.float32), weight) for n, weight in sizes]
    stats = RunningStats(3)
    for values, weight in pieces:
        stats.add(values, weight)
    everything = np.concatenate([values for values, _ in pieces]).astype(np.float64)
    weights = np.concatenate([np.full(len(values), weight / len(values)) for values, weight in pieces])
    mean = np.average(everything, axis=0, weights=weights)
    sd = np.sqrt(np.average((everything - mean) ** 2, axis=0, weights=weights))
    np.testing.assert_allclose(stats.mean, mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(stats.sd, sd, rtol=1e-6, atol=1e-6)


def test_nothing_has_no_spread():
    assert RunningStats(2).sd.tolist() == [0.0, 0.0]


def test_small_differences_far_from_zero_are_not_lost():
    stats = RunningStats(1)
    for value in (1e8 - 1, 1e8, 1e8 + 1):
        stats.add(np.array([[value]]), 1.0)
    assert stats.sd[0] == np.sqrt(2 / 3)
