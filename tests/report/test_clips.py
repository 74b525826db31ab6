from __future__ import annotations

import csv

import numpy as np
import pytest
import soundfile

from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.errors import SettingsError, TableError
from pcqtool.report.clip_rule import ClipRule
from pcqtool.report.clips import TABLE, clips
from tests.toy_results import event_row, file_row, write_result

RATE = 8000
SECONDS = 12


@pytest.fixture
def ramp(tmp_path):
    """Recordings in which each second has another value: second n of channel c is (n + 1 + 20 c) / 100."""
    levels = np.repeat(np.arange(1, SECONDS + 1) / 100, RATE)
    (tmp_path / "calls" / "Ünser Büro").mkdir(parents=True)
    soundfile.write(tmp_path / "calls" / "stereo.wav", np.stack([levels, levels + 0.2], axis=1), RATE)
    soundfile.write(tmp_path / "calls" / "Ünser Büro" / "=1, x.wav", levels, RATE)
    return tmp_path / "calls"


def result(folder, events, **more):
    files = [file_row(name) for name in sorted({event["file"] for event in events})]
    return write_result(folder.parent / "r.parquet", files, events=events, root=folder, **more)


def rows(folder):
    with (folder / TABLE).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_clip_is_the_event_in_its_channel_and_at_its_rate(ramp, tmp_path):
    events = [event_row("stereo.wav", 3.0, 5.0, "anger", 0.75, channel="1"), event_row("stereo.wav", 0, 12, None)]
    found = clips(result(ramp, events), tmp_path / "out")
    (clip,) = found.clips
    assert clip.file_name == "anger-01-stereo-ch1-0h00m03s.wav"
    assert (clip.start_s, clip.end_s, clip.source_start_s, clip.source_end_s, clip.sample_rate) == (
        None,
        None,
        3,
        5,
        RATE,
    )
    wave, rate = soundfile.read(tmp_path / "out" / clip.file_name)
    assert (rate, soundfile.info(tmp_path / "out" / clip.file_name).subtype) == (RATE, "PCM_16")
    assert wave == pytest.approx(np.repeat([0.24, 0.25], RATE), abs=1e-4)
    (row,) = rows(tmp_path / "out")
    assert row == {
        "file_name": clip.file_name,
        "label": "anger",
        "speaker": "stereo.wav#1",
        "session": "stereo.wav",
        "start_s": "",
        "end_s": "",
        "confidence": "0.650",
        "peak": "0.750",
        "source": "stereo.wav",
        "source_channel": "1",
        "source_start_s": "3.0",
        "source_end_s": "5.0",
    }


def test_a_mix_is_mixed(ramp, tmp_path):
    found = clips(result(ramp, [event_row("stereo.wav", 3.0, 4.0, "anger", channel="mix")]), tmp_path / "out")
    wave, _ = soundfile.read(tmp_path / "out" / found.clips[0].file_name)
    assert wave == pytest.approx(np.full(RATE, 0.14), abs=1e-4)


@pytest.mark.parametrize(("start_s", "end_s", "source"), [(0.5, 2.0, (0.0, 3.0)), (10.0, 12.0, (9.0, 12.0))])
def test_a_margin_ends_where_the_recording_does(ramp, tmp_path, start_s, end_s, source):
    found = clips(
        result(ramp, [event_row("stereo.wav", start_s, end_s, "anger")]), tmp_path / "out", rule=ClipRule(margin_s=1)
    )
    (clip,) = found.clips
    assert (clip.source_start_s, clip.source_end_s) == source
    (utterance,) = Manifest(tmp_path / "out").utterances()
    assert (utterance.start_s, utterance.end_s) == (start_s - source[0], end_s - source[0])
    wave, _ = soundfile.read(tmp_path / "out" / clip.file_name)
    first = round((utterance.start_s) * RATE)
    assert wave[first + 1] == pytest.approx((int(start_s) + 1) / 100, abs=1e-4)


def test_the_folder_is_a_corpus_whatever_the_names(ramp, tmp_path):
    name = "Ünser Büro/=1, x.wav"
    events = [event_row(name, n, n + 1.0, label) for n, label in enumerate(("anger", "sadness", "anger"))]
    events += [event_row("stereo.wav", 1.0, 2.0, "sadness", speaker="anna\n")]
    found = clips(result(ramp, events), tmp_path / "out")
    utterances = Manifest(tmp_path / "out").utterances()
    assert [u.label for u in utterances] == ["anger", "anger", "sadness", "sadness"]
    assert {u.speaker for u in utterances} == {f"{name}#0", "anna_"}
    assert all(set(clip.file_name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.") for clip in found.clips)


def test_the_strongest_come_first_and_short_ones_are_left_out(ramp, tmp_path):
    events = [event_row("stereo.wav", n, n + 1 + n % 2, "anger", 0.5 + n / 64) for n in range(8)]
    found = clips(result(ramp, events), tmp_path / "out", label="angry", rule=ClipRule(top=2, min_duration_s=1.5))
    assert [clip.event.start_s for clip in found.clips] == [7.0, 5.0]
    assert [clip.file_name[:7] for clip in found.clips] == ["anger-1", "anger-2"]
    alone = clips(tmp_path / "r.parquet", tmp_path / "sad", label=["sadness"])
    assert (alone.clips, alone.failures) == ((), {})
    assert not (tmp_path / "sad").exists()


def test_a_long_event_is_cut_around_its_peak(ramp, tmp_path):
    event = event_row("stereo.wav", 1.0, 11.0, "anger") | {"peak_s": 9.5}
    found = clips(result(ramp, [event]), tmp_path / "out", rule=ClipRule(max_duration_s=4.0))
    assert (found.clips[0].source_start_s, found.clips[0].source_end_s) == (7.0, 11.0)


def test_a_missing_recording_is_a_failure_and_no_row(ramp, tmp_path):
    events = [
        event_row("gone.wav", 0, 1, "anger", 0.9),
        event_row("stereo.wav", 0, 1, "anger"),
        event_row("stereo.wav", 90, 91, "anger", 0.6),
    ]
    found = clips(result(ramp, events), tmp_path / "out")
    assert found.failures.keys() == {"gone.wav", "stereo.wav"}
    assert "does not exist" in found.failures["gone.wav"]
    assert [row["source"] for row in rows(tmp_path / "out")] == ["stereo.wav"]
    nothing = clips(tmp_path / "r.parquet", tmp_path / "none", audio=tmp_path)
    assert nothing.clips == ()
    assert not (tmp_path / "none" / TABLE).exists()


def test_recordings_that_have_moved_are_found(ramp, tmp_path):
    path = result(ramp, [event_row("stereo.wav", 0, 1, "anger")])
    ramp.rename(tmp_path / "moved")
    assert clips(path, tmp_path / "out", audio=tmp_path / "moved").failures == {}


def test_what_is_refused(ramp, tmp_path):
    path = result(ramp, [event_row("stereo.wav", 0, 1, "anger")])
    with pytest.raises(SettingsError, match="no label 'happiness'"):
        clips(path, tmp_path / "out", label="joy")
    clips(path, tmp_path / "out")
    (tmp_path / "out" / TABLE).write_text("corrected")
    with pytest.raises(SettingsError, match="corrected labels"):
        clips(path, tmp_path / "out")
    assert (tmp_path / "out" / TABLE).read_text() == "corrected"
    with pytest.raises(TableError, match="no table of events"):
        clips(write_result(tmp_path / "old.parquet", [], events=None, root=ramp), tmp_path / "new")
    with pytest.raises(SettingsError, match="--audio"):
        clips(write_result(tmp_path / "rootless.parquet", []), tmp_path / "new")
    for wrong in ({"top": 0}, {"margin_s": -1.0}, {"min_duration_s": float("nan")}, {"max_duration_s": 0.0}):
        with pytest.raises(SettingsError):
            ClipRule(**wrong)
