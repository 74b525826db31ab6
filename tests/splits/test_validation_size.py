from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.errors import SettingsError
from pcqtool.splits import ValidationSize


@pytest.mark.slow
@given(n_units=st.integers(1, 9), fraction=st.floats(0, 0.99), others=st.integers(2, 500))
def test_a_fraction_never_takes_fewer_than_the_number(n_units, fraction, others):
    n = ValidationSize(n_units, fraction).count(others)
    assert n >= n_units
    assert n == n_units or abs(n - fraction * others) <= 0.5


@pytest.mark.parametrize("wrong", [{"n_units": 0}, {"fraction": 1.0}, {"fraction": -0.1}, {"fraction": float("nan")}])
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError, match="1 or more units"):
        ValidationSize(**wrong)
