from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pcqtool.audio.channel_segmenter import Chunk
from pcqtool.audio.reader import RecordingInfo
from pcqtool.batch.batcher import Batcher
from pcqtool.batch.names import Source
from pcqtool.batch.rows import RecordingRows
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.task import Labelling


def stream(error=None, duration_s=4.0, sample_rate=8000, shortfall=None, size_bytes=64044, channels=("0",)):
    tracks = SimpleNamespace(info=RecordingInfo(duration_s, sample_rate, channels, shortfall))
    return SimpleNamespace(source=Source("a.wav", "a.wav", size_bytes, 1.5), tracks=tracks, error=error, retry=False)


def chunk(*n_samples, channel="0", speech=None):
    waves = np.random.default_rng(len(n_samples)).normal(size=(len(n_samples), 48000)).astype(np.float32)
    return Chunk(channel, 0, waves, np.array(n_samples), None if speech is None else np.array(speech, np.float32))


@pytest.fixture
def work(predictor, provenance):
    return Labelling(predictor, LabelSettings(batch_size=2), provenance)


@pytest.fixture
def batches(work):
    return Batcher(work)


@pytest.fixture
def rows_of(work, batches):
    """Give all rows of a recording."""

    def run(given, *chunks):
        entry = RecordingRows(given, work, "fake")
        for one in chunks:
            entry.add(one, batches)
        batches.finish()
        entry.ended = True
        assert entry.settled
        return entry.segments(), entry.files()

    return run


def test_a_judged_recording(rows_of, work):
    segments, (row,) = rows_of(stream(), chunk(48000, 16000, speech=[0.5, 1.0]))
    assert (row["status"], row["error"], row["channel"], row["model"]) == ("ok", None, "0", "fake")
    assert (row["method"], row["n_segments"]) == ("mean-log", 2)
    assert (row["duration_s"], row["sample_rate"], row["speech_s"]) == (4.0, 8000, 2.5)
    assert (row["size_bytes"], row["mtime"]) == (64044, 1_500_000)
    assert row["confidence"] == row[f"prob_{row['label']}"]
    assert row.keys() == set(work.schema("files").names)
    assert [(s["segment"], s["start_s"], s["end_s"], s["padded"]) for s in segments] == [
        (0, 0.0, 3.0, False),
        (1, 3.0, 4.0, True),
    ]
    assert all(segment.keys() == set(work.schema("segments").names) for segment in segments)


def test_a_row_for_each_channel(rows_of):
    given = stream(channels=("0", "1"))
    segments, files = rows_of(given, chunk(48000, speech=[1.0]), chunk(48000, channel="1", speech=[0.0]))
    assert [(row["channel"], row["status"]) for row in files] == [("0", "ok"), ("1", "no_speech")]
    assert [(s["channel"], "label" in s) for s in segments] == [("0", True), ("1", False)]
    assert not {"label", "method", "model", "prob_anger"} & files[1].keys()
    assert files[1]["error"] == "no speech found"


def test_the_last_segment_ends_where_the_recording_does(rows_of):
    """At 44.1 kHz a recording ends between two samples of the 16 kHz that it is resampled to."""
    duration_s = 176_401 / 44_100
    segments, _ = rows_of(stream(duration_s=duration_s), chunk(48000, 16000))
    assert segments[-1]["end_s"] == duration_s


@pytest.mark.parametrize(
    ("given", "status", "error", "duration_s"),
    [
        (stream(error="broken", duration_s=0.0, sample_rate=0), "failed", "broken", None),
        (stream(error="crashed half-way"), "failed", "crashed half-way", 4.0),
        (stream(error="0 bytes", duration_s=0.0, sample_rate=0, size_bytes=0), "empty", "0 bytes", None),
        (stream(duration_s=0.0), "empty", "no audio in the file", 0.0),
        (stream(duration_s=0.0, shortfall="cut short"), "truncated", "cut short", 0.0),
    ],
)
def test_recordings_without_a_judgement_have_one_row_and_no_segments(rows_of, given, status, error, duration_s):
    segments, (row,) = rows_of(given, *([chunk(48000)] if given.error and given.tracks.info.sample_rate else []))
    assert (row["status"], row["error"], row["duration_s"]) == (status, error, duration_s)
    assert not {"channel", "label"} & row.keys()
    assert (row["n_segments"], segments) == (0, [])


def test_a_truncated_recording_is_judged_by_what_is_there(rows_of):
    segments, (row,) = rows_of(stream(shortfall="cut short"), chunk(48000, 16000))
    assert (row["status"], row["error"], "label" in row, len(segments)) == ("truncated", "cut short", True, 2)


def test_rows_are_given_as_soon_as_nothing_can_change_them(work, batches):
    entry = RecordingRows(stream(channels=("0", "1")), work, "fake")
    entry.add(chunk(48000, 48000, 48000), batches)
    assert entry.segments() == []  # the other channel may still begin earlier
    entry.add(chunk(48000, 48000, channel="1"), batches)  # a batch of two leaves its last segment waiting
    assert [(s["segment"], s["channel"]) for s in entry.segments()] == [(0, "0"), (0, "1")]
    assert entry.segments() == []
    entry.add(chunk(48000, channel="1", speech=[1.0]), batches)
    entry.ended = True
    assert entry.settled
    assert [(s["segment"], s["channel"]) for s in entry.segments()] == [(n, c) for n in (1, 2) for c in "01"]
    assert not entry.void


def test_a_fault_after_rows_were_given_makes_them_void(work, batches):
    entry = RecordingRows(given := stream(), work, "fake")
    entry.add(chunk(48000, 48000, 48000, 48000), batches)
    assert len(entry.segments()) == 3
    given.error, entry.ended = "crashed half-way", True
    assert (entry.void, entry.segments()) == (True, [])
    assert [row["status"] for row in entry.files()] == ["failed"]
