from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.errors import SettingsError
from pcqtool.splits import ValidationSize


@pytest.mark.slow
@given(number=st.integers(1, 9), share=st.floats(0, 0.99), others=st.integers(2, 500))
def test_a_share_never_takes_fewer_than_the_number(number, share, others):
    n = ValidationSize(number, share).of(others)
    assert n >= number
    assert n == number or abs(n - share * others) <= 0.5


@pytest.mark.parametrize("wrong", [{"number": 0}, {"share": 1.0}, {"share": -0.1}, {"share": float("nan")}])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(SettingsError, match="1 or more must validate"):
        ValidationSize(**wrong)
