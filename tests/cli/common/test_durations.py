from __future__ import annotations

import time

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.cli.common.durations import duration_s, duration_text, timestamp_s


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("24h", 86400), (" 7d ", 604800), ("1.5", 1.5), ("0", 0)])
def test_durations_in_seconds(text, seconds):
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["inf", "nan", "1e999", "-1", "", "99999999999d", "9" * 400, "9" * 5000 + "w", "٣h", "1h\n2h", "\udcff", "0x1"],
)
def test_impossible_durations_and_times_are_usage_errors(text):
    with pytest.raises(typer.BadParameter, match=r"is not a valid duration|is too long"):
        duration_s(text)
    with pytest.raises(typer.BadParameter, match="is not a valid time"):
        timestamp_s(text)


@given(st.integers(0, 10**6))
def test_a_duration_written_out_has_the_same_value(seconds):
    assert duration_s(duration_text(seconds)) == seconds


def test_times():
    assert timestamp_s("1h") == pytest.approx(time.time() - 3600, abs=5)
    assert timestamp_s("1970-01-02T00:00:00+00:00") == 86400
    with pytest.raises(typer.BadParameter, match="is not a valid time"):
        timestamp_s("2026-02-30")
