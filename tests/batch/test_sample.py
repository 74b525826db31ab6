from __future__ import annotations

import random

import numpy as np
import pytest

from pcqtool.audio.reader import ReaderOptions
from pcqtool.batch import prefetch, sample
from pcqtool.batch.names import find_sources
from pcqtool.batch.sample import measure
from pcqtool.labelling.settings import LabelSettings


class Task:
    """Measures the mean of a segment's samples, and their mean square."""

    sequential, trims_silence, networks = False, True, ()

    def __init__(self, jobs=2, batch_size=4, **options):
        self.settings = LabelSettings(ReaderOptions(vad=False, **options), jobs=jobs, timeout_s=0.0)
        self.batch_size = batch_size
        self.n_segments = 0

    @property
    def moments(self):
        return [self.compute]

    def compute(self, waves, n_samples):
        self.n_segments += len(waves)
        means = [[[wave[:n].mean()], [np.square(wave[:n]).mean()]] for wave, n in zip(waves, n_samples, strict=True)]
        return np.array(means, np.float64)


@pytest.fixture
def limit(monkeypatch):
    """Limit the number of recordings that are measured for a batch."""

    def limited(n_files):
        for name in ("BATCH_FILES", "LEAST_FILES"):
            monkeypatch.setattr(sample, name, n_files)

    return limited


def measured(task, sources, by=""):
    return measure(task, sources, "fake", "ab" * 32, by)


@pytest.fixture
def sources(call_folder):
    return find_sources([call_folder])


@pytest.fixture
def taken(monkeypatch):
    """Names of the recordings that were opened."""
    opened = []
    open_source = prefetch.open_source

    def noting(source, *arguments):
        opened.append(source.file)
        return open_source(source, *arguments)

    monkeypatch.setattr(prefetch, "open_source", noting)
    return opened


def test_the_sample_depends_on_names_alone(sources, limit):
    limit(4)
    expected = measured(Task(jobs=1), sources)
    assert expected.n_files == 4
    random.seed(3)
    for jobs in (1, 2, 5):
        shuffled = random.sample(sources, len(sources))
        assert measured(Task(jobs), shuffled).digest == expected.digest
    by_one = measured(Task(batch_size=1), sources)
    np.testing.assert_allclose(by_one.whole.mean, expected.whole.mean, rtol=1e-6)


def test_the_share_of_a_batch(sources, monkeypatch):
    for least, share, expected in ((1, 3, 2), (3, 7, 3), (1, 1, 4)):
        monkeypatch.setattr(sample, "BATCH_FILES", 4)
        monkeypatch.setattr(sample, "LEAST_FILES", least)
        monkeypatch.setattr(sample, "SHARE", share)
        assert measured(Task(), sources).n_files == expected


def test_three_seconds_of_each_recording_are_measured(sources):
    profile = measured(Task(), sources)
    assert profile.n_files == len(sources) == 7
    seconds = [min(0.4 + 1.3 * number, 3.0) for number in range(7)]
    assert profile.whole.speech_s == pytest.approx(sum(seconds), abs=0.01)
    short = measured(Task(segment_s=1.0), sources)
    assert short.whole.speech_s == pytest.approx(sum(seconds), abs=0.1)


def test_no_more_recordings_are_opened_than_are_needed(sources, limit, taken):
    limit(2)
    measured(Task(jobs=1), sources)
    assert len(taken) <= 2 + 2


def test_only_the_beginning_is_decoded(write_wave, tmp_path, monkeypatch):
    write_wave("calls/long.wav", seconds=300.0, rate=8000)
    decoded = []
    read_piece = prefetch._read_piece

    def noting(*arguments):
        piece = read_piece(*arguments)
        decoded.append(piece)
        return piece

    monkeypatch.setattr(prefetch, "_read_piece", noting)
    assert measured(Task(), find_sources([tmp_path / "calls"])).whole.speech_s == 3.0
    assert [len(piece.chunks) for piece in decoded] == [prefetch.OPENING_CHUNKS]


def test_recordings_without_speech_and_unreadable_ones_are_passed_over(sources, tmp_path, write_wave, monkeypatch):
    expected = measured(Task(), sources)
    for number in range(20):
        (tmp_path / "calls" / f"broken-{number}.wav").write_text("dear diary")
    more = find_sources([tmp_path / "calls"])
    assert measured(Task(), more).digest == expected.digest
    task = Task()
    task.settings = LabelSettings(ReaderOptions(vad=True), timeout_s=0.0)
    write_wave("silence/a.wav", silent=True)
    nothing = measured(task, find_sources([tmp_path / "silence"]))
    assert (nothing.n_files, nothing.whole.speech_s, task.n_segments) == (0, 0.0, 0)


def test_the_search_for_speech_ends(tmp_path, limit, taken):
    limit(2)
    (tmp_path / "calls").mkdir()
    for number in range(50):
        (tmp_path / "calls" / f"{number}.wav").write_text("dear diary")
    assert measured(Task(jobs=1), find_sources([tmp_path / "calls"])).n_files == 0
    assert len(taken) <= 4 * 2 + 2


def test_each_channel_is_measured(write_wave, tmp_path):
    write_wave("calls/a.wav", seconds=5.0, channels=2)
    task = Task(channels="split")
    profile = measured(task, find_sources([tmp_path / "calls"]))
    assert (profile.n_files, profile.whole.speech_s, task.n_segments) == (1, 6.0, 2)


@pytest.fixture
def lines(write_wave, tmp_path):
    for line in range(3):
        for number in range(4 * (line + 1)):
            write_wave(f"calls/line-{line}/{number}.wav", seconds=1.0, seed=10 * line + number)
    write_wave("calls/other.wav", seconds=1.0, seed=99)
    return find_sources([tmp_path / "calls"])


BY = "line-([0-9])"


def test_groups_are_measured_on_samples_of_their_own(lines, limit, monkeypatch):
    monkeypatch.setattr(sample, "GROUP_FILES", 5)
    limit(3)
    task = Task()
    profile = measured(task, lines, BY)
    seconds = {name: each.speech_s for name, each in profile.groups.items()}
    assert seconds == {"0": 4.0, "1": 5.0, "2": 5.0}
    assert profile.whole.speech_s == 3.0
    assert task.n_segments == profile.n_files <= 3 + 4 + 5 + 5
    alone = measured(Task(), lines)
    np.testing.assert_allclose(profile.whole.mean, alone.whole.mean, rtol=1e-6)
    for jobs in (1, 5):
        assert measured(Task(jobs), lines[::-1], BY).digest == profile.digest


def test_many_groups_are_bounded_together(lines, monkeypatch):
    monkeypatch.setattr(sample, "MAX_FILES", 6)
    assert measured(Task(), lines, BY).n_files == 6


def test_a_group_is_measured_alone(lines):
    profile = measured(Task(), lines, BY)
    alone = measured(Task(), [source for source in lines if "line-1" in source.file])
    np.testing.assert_allclose(profile.groups["1"].mean, alone.whole.mean, rtol=1e-6)
    np.testing.assert_allclose(profile.groups["1"].square, alone.whole.square, rtol=1e-6)


def test_progress_counts_recordings(sources):
    steps = []
    measure(Task(), sources, "fake", "ab" * 32, on_progress=steps.append)
    assert [step.done for step in steps] == list(range(8))
    assert {(step.total, step.unit) for step in steps} == {(7, "recordings measured")}
