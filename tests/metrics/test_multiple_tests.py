from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.metrics.multiple_tests import holm

P_VALUES = st.lists(st.floats(0.0, 1.0), max_size=12)


def test_an_example_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.3]) == [0.3]
    assert holm([]) == []


@given(P_VALUES)
def test_corrected_values_are_never_below_the_raw_ones_and_at_most_one(raw):
    assert all(p <= corrected <= 1.0 for p, corrected in zip(raw, holm(raw), strict=True))


@given(P_VALUES)
def test_the_order_of_the_tests_is_kept(raw):
    pairs = sorted(zip(raw, holm(raw), strict=True))
    corrected = [p for _, p in pairs]
    assert corrected == sorted(corrected)


@given(P_VALUES, st.randoms())
def test_the_order_in_which_tests_are_named_does_not_matter(raw, random):
    shuffled = random.sample(range(len(raw)), len(raw))
    assert holm([raw[index] for index in shuffled]) == [holm(raw)[index] for index in shuffled]


@given(P_VALUES)
def test_the_correction_is_at_most_that_of_bonferroni(raw):
    assert all(corrected <= min(1.0, len(raw) * max(raw)) for corrected in holm(raw))
    if raw:
        assert min(holm(raw)) == min(1.0, len(raw) * min(raw))
