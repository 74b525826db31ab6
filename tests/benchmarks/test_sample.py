from __future__ import annotations

import pytest

from benchmarks.sample import Sample
from pcqtool.batch.names import find_sources
from pcqtool.errors import SettingsError


def test_a_sample_knows_its_segments_and_its_length_without_padding(sample):
    assert sample.segments.shape == (3, 48_000)
    assert sample.audio_s == pytest.approx(6.0)


def test_some_segments_come_from_all_over(sample):
    assert len(sample.some(200)) == 3
    assert (sample.some(2) == sample.segments[::2]).all()
    assert len(sample.some(1)) == 1


def test_repeated_recordings_have_names_of_their_own_and_lie_where_they_did(sample):
    long = sample.repeated(30.0 / 3600.0)
    assert long.audio_s == pytest.approx(30.0)
    assert len({source.file for source in long.sources}) == len(long.sources) == 10
    assert {source.path for source in long.sources} == {source.path for source in sample.sources}


def test_no_hours_mean_once(sample):
    assert sample.repeated(0.0).audio_s == sample.audio_s


def test_recordings_without_audio_cannot_be_measured(write_wave, tmp_path):
    write_wave("calls/a.wav", seconds=0.0)
    with pytest.raises(SettingsError, match="no audio"):
        Sample.of(find_sources([tmp_path / "calls"]))
