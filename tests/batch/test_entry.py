from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from pcqtool.labelling.judge import Track
from pcqtool.labelling.rows import Rows

from pcqtool.audio.discover import Source

LOGS = np.log(np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1]]))


def stream(error=None, duration_s=4.0, sample_rate=8000, shortfall=None, size_bytes=64044):
    tracks = SimpleNamespace(duration_s=duration_s, sample_rate=sample_rate, shortfall=shortfall)
    return SimpleNamespace(source=Source("a.wav", "a.wav", size_bytes, 1.5), tracks=tracks, error=error)


def track(channel="0", judged=(0, 1)):
    return Track(channel, [48000, 16000], [0.5, 1.0], {number: LOGS[number] for number in judged})


def rows_of(provenance, *arguments):
    rows = Rows(provenance, 48000)
    rows.add(*arguments)
    files, segments = rows.tables()
    return files.to_pylist(), segments.to_pylist()


def test_a_judged_recording(provenance):
    (row,), segments = rows_of(provenance, stream(), [track()])
    assert (row["status"], row["error"], row["channel"], row["label"]) == ("ok", None, "0", "anger")
    assert (row["method"], row["model"], row["n_segments"]) == ("mean-log", "fake", 2)
    assert (row["duration_s"], row["sample_rate"], row["speech_s"]) == (4.0, 8000, 2.5)
    assert (row["size_bytes"], row["mtime"].timestamp()) == (64044, 1.5)
    assert sum(row[f"prob_{label}"] for label in provenance.labels) == pytest.approx(1)
    assert row["confidence"] == row["prob_anger"]
    assert [(s["segment"], s["start_s"], s["end_s"], s["padded"]) for s in segments] == [
        (0, 0.0, 3.0, False),
        (1, 3.0, 4.0, True),
    ]
    assert segments[1]["prob_neutral"] == pytest.approx(0.4)


def test_a_row_for_each_channel(provenance):
    files, segments = rows_of(provenance, stream(), [track("0"), track("1", judged=())])
    assert [(row["channel"], row["status"]) for row in files] == [("0", "ok"), ("1", "no_speech")]
    assert {s["channel"] for s in segments} == {"0", "1"}
    assert files[1]["label"] is files[1]["method"] is files[1]["model"] is files[1]["prob_anger"] is None
    assert files[1]["error"] == "no speech found"


def test_the_last_segment_ends_where_the_recording_does(provenance):
    """At 44.1 kHz a recording ends between two samples of the 16 kHz that it is resampled to."""
    duration_s = 176_401 / 44_100
    _, segments = rows_of(provenance, stream(duration_s=duration_s), [track()])
    assert segments[-1]["end_s"] == duration_s


@pytest.mark.parametrize(
    ("given", "status", "error", "duration_s"),
    [
        (stream(error="broken", duration_s=0.0, sample_rate=0), "failed", "broken", None),
        (stream(error="NaN at the end"), "failed", "NaN at the end", 4.0),
        (stream(error="0 bytes", duration_s=0.0, sample_rate=0, size_bytes=0), "empty", "0 bytes", None),
        (stream(duration_s=0.0), "empty", "no audio in the file", 0.0),
        (stream(duration_s=0.0, shortfall="cut short"), "truncated", "cut short", 0.0),
    ],
)
def test_recordings_without_a_judgement_have_one_row_and_no_segments(provenance, given, status, error, duration_s):
    tracks = [track()] if given.error and given.tracks.sample_rate else []
    (row,), segments = rows_of(provenance, given, tracks)
    assert (row["status"], row["error"], row["duration_s"]) == (status, error, duration_s)
    assert row["channel"] is row["label"] is None
    assert (row["n_segments"], segments) == (0, [])


def test_a_truncated_recording_is_judged_by_what_is_there(provenance):
    (row,), segments = rows_of(provenance, stream(shortfall="cut short"), [track()])
    assert (row["status"], row["error"], row["label"], len(segments)) == ("truncated", "cut short", "anger", 2)
