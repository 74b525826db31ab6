from __future__ import annotations

import random

import pytest

import pcqtool
from pcqtool.errors import SettingsError, TableError
from pcqtool.report.summary import summarise
from tests.toy_results import event_row, file_row, write_result


def test_hours_statuses_times_and_failures(tmp_path):
    files = [
        file_row("call.wav", "0", shares=(0.5, 0.5, 0.0), speech_s=6.0),
        file_row("call.wav", "1", shares=(0.0, 0.75, 0.25), speech_s=2.0, classified_s=4.0),
        file_row("silence.wav", status="no_speech", speech_s=0.0),
        *(file_row(f"{n}.wav", None, "failed", error=f"fault {n}") for n in range(7)),
    ]
    found = summarise(write_result(tmp_path / "r.parquet", files))
    assert (found.n_recordings, found.n_rows, found.duration_s, found.speech_s) == (9, 10, 20.0, 8.0)
    assert list(found.statuses.items()) == [("failed", 7), ("ok", 2), ("no_speech", 1)]
    assert list(found.label_time_s.items()) == [("neutral", 8.0), ("anger", 5.0), ("sadness", 1.0)]
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert found.shares["neutral"] == 8 / 14
    assert found.n_failed == 7
    assert found.failures == {f"{n}.wav": f"fault {n}" for n in range(5)}
    assert (found.model, found.license, found.longest, found.strongest) == ("toy", None, {}, {})


def test_events_are_the_longest_and_the_strongest_of_all(tmp_path):
    rng = random.Random(1)
    events = []
    for n in range(60):
        start_s, length_s = rng.randrange(100), rng.choice((1.0, 2.0, 3.0))
        label = rng.choice(("anger", "neutral", None))
        events.append(event_row(f"{n:02}.wav", start_s, start_s + length_s, label, rng.choice((0.5, 0.75))))
    found = summarise(write_result(tmp_path / "r.parquet", [file_row("00.wav")], events=events), n_events=4)
    assert list(found.longest) == list(found.strongest) == ["anger", "neutral"]
    for label in ("anger", "neutral"):
        own = [event for event in events if event["label"] == label]
        longest = sorted(own, key=lambda e: (e["start_s"] - e["end_s"], -e["peak"], e["file"]))[:4]
        assert [event.file for event in found.longest[label]] == [event["file"] for event in longest]
        strongest = sorted(own, key=lambda e: (-e["peak"], e["start_s"] - e["end_s"], e["file"]))[:4]
        assert [event.file for event in found.strongest[label]] == [event["file"] for event in strongest]
        assert found.longest[label][0].duration_s == 3.0


@pytest.mark.parametrize("events", [(), None])
def test_a_result_without_rows_or_events(tmp_path, events):
    found = summarise(write_result(tmp_path / "r.parquet", [], events=events))
    assert (found.n_recordings, found.n_rows, found.duration_s, found.speech_s) == (0, 0, 0.0, None)
    assert (found.n_failed, found.statuses, found.label_time_s, found.shares, found.longest) == (0, {}, {}, {}, {})


def test_only_failed_rows(tmp_path):
    found = summarise(write_result(tmp_path / "r.parquet", [file_row("a.wav", None, "failed", error="not audio")]))
    assert (found.duration_s, found.speech_s, found.failures) == (0.0, None, {"a.wav": "not audio"})


def test_parts_and_open_results_are_the_same(tmp_path):
    rows = [file_row("a.wav", shares=(1.0, 0.0, 0.0)), file_row("b.wav", shares=(0.0, 1.0, 0.0))]
    whole = write_result(tmp_path / "r.parquet", rows, events=[event_row("a.wav", 0, 3, "anger")])
    for number, row in enumerate(rows):
        events = [event_row("a.wav", 0, 3, "anger")] if number == 0 else []
        part = write_result(tmp_path / f"{number}.parquet", [row], events=events)
        for kind, name in (("files", ""), ("segments", ".segments"), ("events", ".events")):
            (tmp_path / "parts" / kind).mkdir(parents=True, exist_ok=True)
            part.with_name(f"{number}{name}.parquet").rename(tmp_path / "parts" / kind / f"part-{number:05}.parquet")
    assert summarise(tmp_path / "parts") == summarise(str(whole)) == summarise(pcqtool.read_results(whole))


def test_what_is_refused(tmp_path):
    with pytest.raises(TableError, match="no such file"):
        summarise(tmp_path / "none.parquet")
    with pytest.raises(SettingsError, match="negative"):
        summarise(write_result(tmp_path / "r.parquet", []), n_events=-1)
    features = pcqtool.extract(_wave(tmp_path), tmp_path / "f.parquet", what="statistics", of="spectrogram", jobs=1)
    with pytest.raises(TableError, match="has no labels"):
        summarise(features)


def _wave(folder):
    import numpy as np
    import soundfile

    soundfile.write(folder / "a.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    return folder / "a.wav"
