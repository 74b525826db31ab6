from __future__ import annotations

import shutil

from benchmarks.systems.catalogue import ComparedSystem
from benchmarks.systems.speed import measure_speed


def test_models_are_timed_in_turn_and_missing_ones_are_named(tiny_model, write_wave, tmp_path, caplog, monkeypatch):
    for number in range(2):
        write_wave(f"calls/{number}.wav", seconds=2.0, seed=number)
    shutil.copytree(tiny_model, tmp_path / "models" / "tiny")
    monkeypatch.delenv("PCQTOOL_CORPORA", raising=False)
    systems = [ComparedSystem("tiny", "the tiny", "mini"), ComparedSystem("none", "the missing", "no-recipe")]
    (record,) = measure_speed(systems, tmp_path / "calls", tmp_path / "models", [], jobs=1)
    assert "the missing: skipped" in caplog.text
    assert (record["system"], record["condition"]) == ("tiny", "speed")
    assert record["speed"]["audio_s"] == 4.0
    assert len(record["speed"]["all"]) == 3
    assert min(record["speed"]["all"]) <= record["speed"]["median"] <= max(record["speed"]["all"])
