from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from pcqtool.audio.channel_segmenter import Chunk
from pcqtool.audio.reader import RecordingInfo
from pcqtool.batch.batcher import Batcher
from pcqtool.batch.names import Source
from pcqtool.batch.prefetch import Failure, Piece
from pcqtool.batch.rows import RecordingRows, RowQueue
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.task import Labelling


@dataclass
class Given:
    """A recording as the reader leaves it."""

    source: Source
    info: RecordingInfo
    failure: Failure | None

    def piece(self, *chunks, is_last=False):
        return Piece(self.source, list(chunks), self.info, is_last, self.failure if is_last else None)


def recording(error=None, duration_s=4.0, sample_rate=8000, shortfall=None, size_bytes=64044, channels=("0",)):
    info = RecordingInfo(duration_s, sample_rate, channels, shortfall)
    return Given(Source("a.wav", "a.wav", size_bytes, 1.5), info, Failure(error) if error else None)


def chunk(*n_samples, channel="0", speech=None, start=0, speaker=None):
    waves = np.random.default_rng(len(n_samples)).normal(size=(len(n_samples), 48000)).astype(np.float32)
    starts = start + np.cumsum([0, *n_samples[:-1]])
    if speech is None:
        return Chunk(channel, starts, waves, np.array(n_samples), None, speaker=speaker)
    fractions = np.array(speech, np.float32)
    n_speech = round(float(fractions @ n_samples))
    return Chunk(channel, starts, waves, np.array(n_samples), fractions, n_speech=n_speech, speaker=speaker)


@pytest.fixture
def work(predictor, provenance):
    return Labelling(predictor, LabelSettings(batch_size=2), provenance)


@pytest.fixture
def batches(work):
    batcher = Batcher(work)
    batcher._devices.n_ahead = 0  # a batch is settled at once
    return batcher


@pytest.fixture
def rows_of(work, batches):
    """All rows of a recording."""

    def run(given, *chunks):
        rows = RecordingRows(given.source, work, "fake")
        for one in chunks:
            rows.add(given.piece(one), batches)
        rows.add(given.piece(is_last=True), batches)
        batches.finish()
        assert rows.is_complete
        return rows.take_segments(), rows.file_rows()

    return run


def test_a_judged_recording(rows_of, work):
    segments, (row,) = rows_of(recording(), chunk(48000, 16000, speech=[0.5, 1.0]))
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
    given = recording(channels=("0", "1"))
    segments, files = rows_of(given, chunk(48000, speech=[1.0]), chunk(48000, channel="1", speech=[0.0]))
    assert [(row["channel"], row["status"]) for row in files] == [("0", "ok"), ("1", "no_speech")]
    assert [(s["channel"], "label" in s) for s in segments] == [("0", True), ("1", False)]
    assert not {"label", "method", "model", "prob_anger"} & files[1].keys()
    assert files[1]["error"] == "no speech found"


def test_the_last_segment_ends_where_the_recording_does(rows_of):
    """At 44.1 kHz a recording ends between two samples of the 16 kHz that it is resampled to."""
    duration_s = 176_401 / 44_100
    segments, _ = rows_of(recording(duration_s=duration_s), chunk(48000, 16000))
    assert segments[-1]["end_s"] == duration_s


@pytest.mark.parametrize(
    ("given", "status", "error", "duration_s"),
    [
        (recording(error="broken", duration_s=0.0, sample_rate=0), "failed", "broken", None),
        (recording(error="crashed half-way"), "failed", "crashed half-way", 4.0),
        (recording(error="0 bytes", duration_s=0.0, sample_rate=0, size_bytes=0), "empty", "0 bytes", None),
        (recording(duration_s=0.0), "empty", "no audio in the file", 0.0),
        (recording(duration_s=0.0, shortfall="cut short"), "truncated", "cut short", 0.0),
    ],
)
def test_recordings_without_a_judgement_have_one_row_and_no_segments(rows_of, given, status, error, duration_s):
    segments, (row,) = rows_of(given, *([chunk(48000)] if given.failure and given.info.sample_rate else []))
    assert (row["status"], row["error"], row["duration_s"]) == (status, error, duration_s)
    assert not {"channel", "label"} & row.keys()
    assert (row["n_segments"], segments) == (0, [])


def test_a_truncated_recording_is_judged_by_what_is_there(rows_of):
    segments, (row,) = rows_of(recording(shortfall="cut short"), chunk(48000, 16000))
    assert (row["status"], row["error"], "label" in row, len(segments)) == ("truncated", "cut short", True, 2)


def test_rows_are_available_as_soon_as_nothing_can_change_them(work, batches):
    given = recording(channels=("0", "1"))
    rows = RecordingRows(given.source, work, "fake")
    rows.add(given.piece(chunk(48000, 48000, 48000)), batches)
    assert rows.take_segments() == []  # the other channel may still begin earlier
    rows.add(given.piece(chunk(48000, 48000, channel="1")), batches)  # a batch of two leaves its last segment pending
    assert [(s["segment"], s["channel"]) for s in rows.take_segments()] == [(0, "0"), (0, "1")]
    assert rows.take_segments() == []
    rows.add(given.piece(chunk(48000, channel="1", speech=[1.0], start=96000), is_last=True), batches)
    assert rows.is_complete
    assert [(s["segment"], s["channel"]) for s in rows.take_segments()] == [(n, c) for n in (1, 2) for c in "01"]
    assert not rows.is_withdrawn


def test_a_fault_withdraws_the_rows_that_were_taken_before(work, batches):
    given = recording(error="crashed half-way")
    rows = RecordingRows(given.source, work, "fake")
    rows.add(given.piece(chunk(48000, 48000, 48000, 48000)), batches)
    assert len(rows.take_segments()) == 3
    rows.add(given.piece(is_last=True), batches)
    assert (rows.is_withdrawn, rows.take_segments()) == (True, [])
    assert [row["status"] for row in rows.file_rows()] == ["failed"]


def test_a_queue_keeps_the_order_of_recordings_whichever_is_complete_first(work, batches):
    queue = RowQueue(work, "fake")
    first, second = recording(), recording()
    second.source = replace(second.source, file="b.wav")
    queue.add(first.piece(chunk(48000, 48000)), batches)
    queue.add(second.piece(chunk(48000, 16000), is_last=True), batches)
    assert [row["file"] for row in queue.take_segments()] == ["a.wav"]
    assert queue.files == []
    queue.add(first.piece(is_last=True), batches)
    assert [row["file"] for row in queue.take_segments()] == ["a.wav", "b.wav", "b.wav"]
    assert [(row["file"], row["n_segments"]) for row in queue.files] == [("a.wav", 2), ("b.wav", 2)]
    assert queue.withdrawn == set()


def test_a_queue_withdraws_what_failed_late_and_keeps_the_rows_of_what_has_vanished(work, batches):
    failed, vanished = recording(error="crashed"), recording(error="no such file")
    vanished.source = replace(vanished.source, file="b.wav", location="/no/such/file")
    queue = RowQueue(work, "fake", stale={"b.wav"})
    queue.add(failed.piece(chunk(48000, 48000, 48000)), batches)
    assert len(queue.take_segments()) == 2
    for each in (failed, vanished):
        queue.add(each.piece(is_last=True), batches)
    batches.finish()
    assert queue.take_segments() == []
    assert [row["file"] for row in queue.files] == ["a.wav"]
    assert queue.withdrawn == {"a.wav"}
