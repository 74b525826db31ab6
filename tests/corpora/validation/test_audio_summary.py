from __future__ import annotations

import numpy as np
import pytest
import soundfile

from pcqtool.corpora.validation.audio_summary import duration_s, durations_s, summarise, summarise_all


def test_the_digest_is_of_the_samples_not_of_the_file(write_wave, tmp_path):
    wave = summarise(write_wave("a.wav", 0.5))
    samples, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    soundfile.write(tmp_path / "b.flac", samples, rate)
    assert summarise(tmp_path / "b.flac") == wave
    assert (wave.duration_s, wave.n_channels, wave.problem, len(wave.digest)) == (0.5, 1, None, 16)
    soundfile.write(tmp_path / "c.wav", samples, 2 * rate)
    samples[-1] += 1
    soundfile.write(tmp_path / "d.wav", samples, rate)
    assert len({summarise(tmp_path / name).digest for name in ("a.wav", "c.wav", "d.wav")}) == 3


def test_an_unusable_recording_has_a_reason(write_wave, tmp_path):
    path = write_wave("cut.wav", 1.0)
    path.write_bytes(path.read_bytes()[:9000])
    assert "header claims 1.00 s" in summarise(path).problem
    assert 0 < summarise(path).duration_s < 0.3
    (tmp_path / "empty.wav").touch()
    assert summarise(tmp_path / "empty.wav").problem == "is empty (0 bytes)"
    assert "silence" in summarise(write_wave("silent.wav", 1.0, silent=True)).problem
    soundfile.write(tmp_path / "header.wav", np.zeros(0), 16000)
    assert (summarise(tmp_path / "header.wav").problem, summarise(tmp_path / "header.wav").digest) == (
        "contains no audio",
        "",
    )


def test_each_recording_is_read_once_with_progress(write_wave):
    paths = [write_wave("a.wav", 0.1), write_wave("b.wav", 0.2, seed=1)]
    told: list[int] = []
    contents = summarise_all([*paths, *paths], 2, lambda: told.append(1))
    assert [each.duration_s for each in contents.values()] == [0.1, 0.2]
    assert len(told) == 2


def test_durations_come_from_headers(write_wave, tmp_path):
    assert duration_s(write_wave("a.wav", 0.25)) == 0.25
    (tmp_path / "text.wav").write_text("no sound")
    assert duration_s(tmp_path / "text.wav") is None
    assert durations_s([tmp_path / "a.wav", tmp_path / "text.wav"], 2) == {
        tmp_path / "a.wav": 0.25,
        tmp_path / "text.wav": None,
    }


def test_silence_is_detected_per_second_and_a_constant_is_silence(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 40000)
    noise[16000:32000] = 0
    soundfile.write(tmp_path / "a.wav", np.stack((noise, 0 * noise + 0.25), 1), 16000)
    found = summarise(tmp_path / "a.wav")
    assert (found.problem, found.note) == (None, "channel 1 is dead; channel 0 is used")
    assert found.silent == {(0, 1), (1, 0), (1, 1), (1, 2)}
    assert found.is_silent(1)
    assert found.is_silent(None, 1.1, 1.9)
    assert not found.is_silent(0)
    assert not found.is_silent(0, 1.1, 2.1)
    assert not found.is_silent(None, 7.0, 8.0), "outside, which is another fault"


@pytest.mark.parametrize(("value", "words"), [(0.0, "silence"), (0.5, "a constant")])
def test_a_recording_of_one_value_is_named(tmp_path, value, words):
    soundfile.write(tmp_path / "a.wav", np.full((24000, 2), value), 16000)
    assert summarise(tmp_path / "a.wav").problem == f"contains nothing but {words}"


def test_channels_that_cancel_are_a_note_and_not_a_problem(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 16000)
    soundfile.write(tmp_path / "a.wav", np.stack((noise, -noise), 1), 16000)
    found = summarise(tmp_path / "a.wav")
    assert (found.problem, found.silent) == (None, frozenset())
    assert found.note == "mixing the channels would cancel them; channel 0 is used"
