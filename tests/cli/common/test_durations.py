from __future__ import annotations

import time

import pytest

from pcqtool.cli.common.durations import duration_s, timestamp_s
from pcqtool.errors import SettingsError


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("24h", 86400), (" 7d ", 604800), ("1.5", 1.5), ("0", 0)])
def test_lengths_of_time(text, seconds):
    assert duration_s(text, "--timeout") == seconds


@pytest.mark.parametrize(
    "text",
    ["inf", "nan", "1e999", "-1", "", "99999999999d", "9" * 400, "9" * 5000 + "w", "٣h", "1h\n2h", "\udcff", "0x1"],
)
def test_what_nobody_can_wait_for_is_a_usage_error(text):
    with pytest.raises(SettingsError, match="--timeout"):
        duration_s(text, "--timeout")
    with pytest.raises(SettingsError, match="--since"):
        timestamp_s(text, "--since")


def test_moments():
    assert timestamp_s("1h", "--since") == pytest.approx(time.time() - 3600, abs=5)
    assert timestamp_s("1970-01-02T00:00:00+00:00", "--since") == 86400
    with pytest.raises(SettingsError, match="no moment"):
        timestamp_s("2026-02-30", "--since")
