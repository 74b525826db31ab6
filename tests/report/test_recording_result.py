from __future__ import annotations

import pytest

from pcqtool.errors import SettingsError
from pcqtool.report.recording_result import find_recording
from tests.toy_results import event_row, file_row, segment_row, write_result


@pytest.fixture
def result(tmp_path):
    (tmp_path / "calls" / "day1").mkdir(parents=True)
    (tmp_path / "calls" / "day1" / "call7.wav").touch()
    name = "day1/call7.wav"
    files = [
        file_row(name, "0", shares=(0.25, 0.75, 0.0), talk_share=0.25, speech_s=3.0),
        file_row(name, "1", shares=(0.0, 0.0, 1.0), talk_share=0.75, speech_s=9.0),
        *(file_row(f"{day}/talk.wav") for day in ("day1", "day2")),
        file_row("broken.wav", None, "failed", error="not audio"),
    ]
    segments = [segment_row(name, 0, "neutral"), segment_row(name, 1, None), segment_row(name, 0, "sadness", "1")]
    events = [
        event_row(name, 0, 3, "neutral"),
        event_row(name, 3, 10, None, event=1),
        event_row(name, 0, 10, "sadness", channel="1"),
        event_row("day1/talk.wav", 0, 10, "anger"),
    ]
    return write_result(tmp_path / "r.parquet", files, segments, events, tmp_path / "calls")


def test_each_channel_has_its_own_rows(result):
    found = find_recording(result, "day1/call7.wav")
    assert (found.file, found.model, found.duration_s) == ("day1/call7.wav", "toy", 10.0)
    first, second = found.tracks
    assert (first.channel, first.label, first.talk_share, first.speech_s) == ("0", "neutral", 0.25, 3.0)
    assert first.shares == {"anger": 0.25, "neutral": 0.75, "sadness": 0.0}
    assert first.probabilities == first.shares
    assert [(s.start_s, s.end_s, s.label) for s in first.segments] == [(0.0, 3.0, "neutral"), (3.0, 6.0, None)]
    assert [(e.start_s, e.end_s, e.label) for e in first.events] == [(0.0, 3.0, "neutral")]
    assert [e.label for e in second.events] == [s.label for s in second.segments] == ["sadness"]


def test_speakers_are_apart(tmp_path):
    files = [file_row("a.wav", speaker=name) for name in ("anna", "ben")]
    segments = [segment_row("a.wav", 0, "anger", speaker="anna"), segment_row("a.wav", 1, "neutral", speaker="ben")]
    found = find_recording(write_result(tmp_path / "r.parquet", files, segments, None), "a.wav")
    assert [(t.speaker, [s.label for s in t.segments], t.events) for t in found.tracks] == [
        ("anna", ["anger"], ()),
        ("ben", ["neutral"], ()),
    ]


@pytest.mark.parametrize("name", ["call7.wav", "./day1/call7.wav", "calls/day1/call7.wav"])
def test_a_name_may_be_short_or_a_path(result, name, monkeypatch):
    monkeypatch.chdir(result.parent)
    assert find_recording(result, name).file == "day1/call7.wav"


def test_a_failed_recording_has_the_reason(result):
    found = find_recording(result, "broken.wav")
    assert found.duration_s is None
    assert [(t.channel, t.status, t.error, t.segments) for t in found.tracks] == [(None, "failed", "not audio", ())]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("talk.wav", "several recordings are called talk.wav: day1/talk.wav, day2/talk.wav"),
        ("cal7.wav", "no recording cal7.wav .*\nSimilar: day1/call7.wav"),
        ("CALL7.mp3", "Similar: day1/call7.wav"),
        ("xyzzy", "Names are in the column file"),
        ("7.wav", "no recording 7.wav"),
    ],
)
def test_other_names_are_refused_with_similar_ones(result, name, message):
    with pytest.raises(SettingsError, match=message):
        find_recording(result, name)


def test_no_rows_have_no_names(tmp_path):
    with pytest.raises(SettingsError, match="no recording"):
        find_recording(write_result(tmp_path / "r.parquet", []), "a.wav")
