from __future__ import annotations

import pytest

from benchmarks.cost import core_hours, cost_cells


def test_a_thousand_hours_at_a_hundred_times_real_time_take_two_cores_ten_hours_each():
    assert core_hours(rate=100.0, n_cores=2) == pytest.approx(20.0)


def test_cost_is_core_hours_times_their_price():
    assert cost_cells(rate=100.0, n_cores=2, price_usd=0.05) == ("20.0", "1.00")
    assert cost_cells(rate=0.5, n_cores=2, price_usd=1.0) == ("4,000.0", "4,000.00")
