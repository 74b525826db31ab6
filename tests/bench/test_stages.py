from __future__ import annotations

from pcqtool.bench.stages import time_stages


def test_every_stage_takes_its_time(sample):
    times_s = time_stages(sample)
    assert list(times_s) == ["decode", "resample (from 44.1 kHz)", "VAD", "write"]
    assert min(times_s.values()) > 0
