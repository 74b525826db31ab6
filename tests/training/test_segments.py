from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.audio.channels import ChannelPlan, mixes_for
from pcqtool.audio.reader import ReaderOptions, SegmentReader, load_waveform
from pcqtool.audio.spectrogram import Spectrogram, SpectrogramSettings
from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError
from pcqtool.training.augmentation import Augmentations, augment
from pcqtool.training.segments import build_segments, build_speech_segments

SEGMENT = 48000


def segments(paths, n_augmented=0, seed=0, n_jobs=1, **where):
    return build_segments(
        [Utterance(path, "anger", **where) for path in paths], n_augmented, Augmentations(), seed, n_jobs
    )


def joined(data, utterance, view=0):
    """Put a view's segments together again."""
    rows = data.rows(utterance, view)
    return np.concatenate([wave[:n] for wave, n in zip(data.waves(rows), data.n_samples[rows], strict=True)])


def test_view_0_is_the_recording_to_the_bit(write_wave):
    paths = [write_wave(f"{n}.wav", seconds=seconds, seed=n) for n, seconds in enumerate((0.7, 3.0, 7.3))]
    data = segments(paths, n_augmented=1)
    for number, (path, n_segments) in enumerate(zip(paths, (1, 1, 3), strict=True)):
        assert len(data.rows(number)) == n_segments
        assert np.array_equal(joined(data, number), load_waveform(path))


def test_training_sees_the_spectrogram_that_labelling_sees(write_wave):
    path = write_wave("a.wav", seconds=7.3)
    data = segments([path])
    trained_on = data.waves(data.rows(0))
    labelled = np.concatenate([chunk.waves for chunk in SegmentReader(path, ReaderOptions(vad=False))])
    assert np.array_equal(trained_on, labelled)
    spectrogram = Spectrogram(SpectrogramSettings())
    assert torch.equal(spectrogram(torch.from_numpy(trained_on)), spectrogram(torch.from_numpy(labelled)))


def test_every_16_bit_value_survives(tmp_path):
    values = np.arange(-32768, 32768, dtype=np.int16)
    soundfile.write(tmp_path / "all.wav", values, 16000, subtype="PCM_16")
    data = segments([tmp_path / "all.wav"])
    assert np.array_equal(data.samples.ravel()[: len(values)], values)
    assert not data.samples.ravel()[len(values) :].any()


def test_what_is_louder_than_full_scale_is_clipped_and_not_wrapped(tmp_path):
    soundfile.write(tmp_path / "loud.wav", np.array([1.5, -1.5, 1.0, -1.0]), 16000, subtype="FLOAT")
    assert segments([tmp_path / "loud.wav"]).samples[0, :4].tolist() == [32767, -32768, 32767, -32768]


@given(lengths=st.lists(st.integers(1, 2 * SEGMENT + 1), min_size=1, max_size=4), n_augmented=st.integers(0, 2))
@settings(max_examples=15, deadline=None)
def test_segments_cover_every_view_once_and_in_order(tmp_path_factory, lengths, n_augmented):
    folder = tmp_path_factory.mktemp("cut")
    paths = [folder / f"{n}.wav" for n in range(len(lengths))]
    for path, length in zip(paths, lengths, strict=True):
        soundfile.write(path, np.full(length, 0.25), 16000, subtype="PCM_16")
    data = segments(paths, n_augmented)
    assert data.n_augmented == n_augmented
    rows = [data.rows(utterance, view) for utterance in range(len(paths)) for view in range(n_augmented + 1)]
    assert np.concatenate(rows).tolist() == list(range(len(data.samples)))
    for number, length in enumerate(lengths):
        assert data.n_samples[data.rows(number)].sum() == length
        assert (data.n_samples[data.rows(number)][:-1] == SEGMENT).all()
    for row, n in enumerate(data.n_samples):
        assert not data.samples[row, n:].any()


def test_a_view_depends_on_seed_samples_and_number_alone(write_wave):
    paths = [write_wave(f"{n}.wav", seconds=1.0, seed=n) for n in range(2)]
    data = segments(paths, n_augmented=2, seed=5)
    for number in range(2):
        wave = load_waveform(paths[number])
        content = int.from_bytes(hashlib.sha256(wave.data).digest()[:16], "big")
        for view in (1, 2):
            drawn = augment(wave, Augmentations(), np.random.default_rng([5, content, view]))
            np.testing.assert_allclose(joined(data, number, view), drawn, atol=0.5 / 32768 + 1e-7)
    swapped = segments(paths[::-1], n_augmented=2, seed=5)
    assert np.array_equal(swapped.samples[swapped.utterance == 1], data.samples[data.utterance == 0])
    assert np.array_equal(segments(paths, n_augmented=1, seed=5).samples, data.samples[data.version < 2])
    assert np.array_equal(segments(paths, n_augmented=2, seed=5, n_jobs=2).samples, data.samples)
    assert not np.array_equal(joined(data, 0, 1), joined(data, 1, 1))


def test_an_excerpt_of_one_channel_is_read(tmp_path):
    wave = np.random.default_rng(0).integers(-9999, 9999, (32000, 2), dtype=np.int16)
    soundfile.write(tmp_path / "call.wav", wave, 16000, subtype="PCM_16")
    data = segments([tmp_path / "call.wav"], start_s=0.5, end_s=1.25, channel=1)
    assert np.array_equal(data.samples[0, :12000], wave[8000:20000, 1])
    assert data.n_samples.tolist() == [12000]


def test_a_bad_recording_is_named_once(tmp_path):
    (tmp_path / "broken.wav").write_text("dear diary")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    for name in ("broken.wav", "empty.wav", "gone.wav"):
        with pytest.raises(CorpusError, match=r"Leave it out") as caught:
            segments([tmp_path / name])
        assert caught.value.what.count(name) == 1


def test_the_index_does_not_travel_between_sets(write_wave):
    one, two = segments([write_wave("a.wav", 7.0)]), segments([write_wave("b.wav", 1.0)])
    assert len(one.rows(0)) == 3
    assert len(two.rows(0)) == 1


@pytest.fixture
def kept(write_wave, monkeypatch, tmp_path):
    """Give a function that builds two recordings' segments with the cache, and the cache's folder."""
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))
    utterances = [Utterance(write_wave(f"{n}.wav", seconds=3.5, seed=n), "anger") for n in range(2)]

    def build(n_augmented=2, p_codec=0.3, seed=0, cache=True, turn=1):
        return build_segments(utterances[::turn], n_augmented, Augmentations(p_codec=p_codec), seed, 1, cache)

    return build, tmp_path / "cache" / "segments"


def test_kept_segments_are_found_again(kept, monkeypatch):
    build, folder = kept
    wanted, built = build(cache=False), build()
    assert len(list(folder.iterdir())) == 1
    monkeypatch.setattr("pcqtool.training.segments.augment", None)  # calling it would fail
    found = build()
    for name in ("samples", "n_samples", "utterance", "version"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name))
        assert np.array_equal(getattr(built, name), getattr(wanted, name))
    assert found.digest == wanted.digest


@pytest.mark.parametrize("other", [{"n_augmented": 1}, {"seed": 1}, {"p_codec": 0.9}, {"turn": -1}])
def test_kept_segments_are_not_those_of_other_settings_or_recordings(kept, other):
    build, folder = kept
    build()
    assert np.array_equal(build(**other).samples, build(**other, cache=False).samples)
    assert len(list(folder.iterdir())) == 2


def test_silence_is_not_heard_but_counted(tmp_path):
    speech = load_waveform(Path(__file__).parents[2] / "examples" / "recordings" / "verspaetung.wav")
    second = np.zeros(16000, np.float32)
    wave = np.concatenate((second, speech, np.tile(second, 8)))
    soundfile.write(tmp_path / "a.wav", wave, 16000)
    soundfile.write(tmp_path / "b.wav", second, 16000)
    soundfile.write(tmp_path / "c.wav", speech, 16000)
    utterances = [Utterance(tmp_path / f"{name}.wav", "anger") for name in "abc"]
    data = build_speech_segments(utterances, 2)
    heard = [int(data.n_samples[data.rows(number)].sum()) for number in range(3)]
    assert 0.5 * len(speech) < heard[0] < len(speech) + 8000
    assert heard[1] == 16000, "no speech: all of it"
    assert data.n_recorded(0) == len(wave)
    assert data.n_recorded(1) == 16000
    first = data.waves(data.rows(0)[:1])[0]
    assert np.abs(first[:4800]).max() > 0.01, "speech begins at once"
    assert not first[data.n_samples[data.rows(0)[0]] :].any()
    again = build_segments(utterances[1:2], 0, Augmentations(), 0, 1)
    np.testing.assert_array_equal(again.samples, data.samples[data.rows(1)])
    assert again.n_recorded(0) == data.n_recorded(1)


def test_channels_that_cancel_are_heard_as_labelling_hears_them(tmp_path):
    speech = load_waveform(Path(__file__).parents[2] / "examples" / "recordings" / "verspaetung.wav")
    soundfile.write(tmp_path / "mono.wav", speech, 16000)
    for name, second in (("inverted.wav", -speech), ("dead.wav", 0 * speech), ("constant.wav", 0 * speech + 0.3)):
        soundfile.write(tmp_path / name, np.stack((speech, second), 1), 16000)
    names = ("mono.wav", "inverted.wav", "dead.wav", "constant.wav")
    for data in (
        build_speech_segments([Utterance(tmp_path / name, "anger") for name in names], 2),
        build_segments([Utterance(tmp_path / name, "anger") for name in names], 0, Augmentations(), 0, 2),
    ):
        wanted = data.samples[data.rows(0)]
        for number in (1, 2, 3):
            np.testing.assert_array_equal(data.samples[data.rows(number)], wanted)
        assert data.n_recorded(1) == len(speech)


def test_segments_kept_of_a_mix_are_not_those_of_what_is_heard_now(tmp_path, monkeypatch):
    """A cache filled before channels that cancel were found holds silence."""
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))
    wave = np.random.default_rng(0).normal(0, 0.1, 16000)
    soundfile.write(tmp_path / "a.wav", np.stack((wave, -wave), 1), 16000)
    utterances = [Utterance(tmp_path / "a.wav", "anger")]
    with monkeypatch.context() as before:
        before.setattr("pcqtool.audio.reader.choose_channels", lambda recording, mode: ChannelPlan(mixes_for(mode, 2)))
        silence = build_segments(utterances, 0, Augmentations(), 0, 1, cache=True)
    heard = build_segments(utterances, 0, Augmentations(), 0, 1, cache=True)
    assert np.abs(silence.samples).max() <= 1
    assert np.abs(heard.samples).max() > 1000
    assert heard.digest != silence.digest
    assert len(list((tmp_path / "cache" / "segments").iterdir())) == 2
