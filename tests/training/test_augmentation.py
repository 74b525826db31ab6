from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.audio.codecs import CODECS, apply_codec
from pcqtool.errors import SettingsError
from pcqtool.training.augmentation import Augmentations, augment

PLAIN = Augmentations(speed=0.0, tilt_db=0.0, p_noise=0.0, p_reverb=0.0, p_telephone=0.0, p_codec=0.0, crop_start_s=0.0)


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, n).clip(-1, 1).astype(np.float32)


def view(wave, seed=0, **changes):
    return augment(wave, Augmentations(**vars(PLAIN) | changes), np.random.default_rng(seed))


def band(wave: np.ndarray, low: float, high: float) -> float:
    """Power between two frequencies."""
    hz = np.fft.rfftfreq(len(wave), 1 / 16000)
    return float((np.abs(np.fft.rfft(wave)) ** 2)[(hz >= low) & (hz < high)].sum())


@given(
    n=st.integers(1, 9000),
    level=st.sampled_from([0.0, 1e-6, 0.3, 1.0]),
    seed=st.integers(0, 2**32),
    speed=st.floats(0, 0.9),
    crop_start_s=st.floats(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_a_view_of_anything_is_a_recording(n, level, seed, speed, crop_start_s):
    wave = (level * np.sign(noise(n, seed))).astype(np.float32)
    chosen = Augmentations(
        speed=speed, crop_start_s=crop_start_s, p_noise=1.0, p_reverb=0.5, p_telephone=0.5, p_codec=0.3
    )
    seen = augment(wave, chosen, np.random.default_rng(seed))
    assert seen.dtype == np.float32
    assert seen.ndim == 1
    assert len(seen) >= 1
    assert np.isfinite(seen).all()
    assert np.abs(seen).max() <= 1.0
    assert np.array_equal(seen, augment(wave, chosen, np.random.default_rng(seed)))


def test_other_seeds_are_other_views():
    wave = noise(4000)
    first, second = (augment(wave, Augmentations(), np.random.default_rng(seed)) for seed in (1, 2))
    assert len(first) != len(second) or not np.array_equal(first, second)


@given(seed=st.integers(0, 2**32), silence_s=st.floats(0, 2))
@settings(max_examples=30, deadline=None)
def test_silence_surrounds_the_recording(seed, silence_s):
    wave = 0.3 * noise(4000, seed)
    padded = view(wave, seed, p_silence=1.0, silence_s=silence_s, gain_db=(0.0, 0.0))
    assert len(wave) <= len(padded) <= len(wave) + 2 * 16000 * silence_s
    first = int(np.argmax(np.abs(np.correlate(padded, wave, "valid"))))
    np.testing.assert_allclose(padded[first : first + len(wave)], wave, atol=1e-5)
    assert np.abs(np.delete(padded, np.s_[first : first + len(wave)])).sum() < 1e-2


@pytest.mark.parametrize("clip_db", [0.0, 20.0])
def test_clipping_drives_the_peak_up_to_its_gain(clip_db):
    wave = 0.1 * noise(4000)
    clipped = [view(wave, seed, p_clip=1.0, clip_db=clip_db, gain_db=(0.0, 0.0)) for seed in range(20)]
    assert all(np.abs(each).max() == pytest.approx(1.0, abs=1e-4) for each in clipped)
    most = max((np.abs(each) > 0.999).mean() for each in clipped)
    assert most < 0.01 if clip_db == 0.0 else most > 0.2


def test_without_changes_only_the_level_differs():
    wave = 0.3 * noise(4000)
    seen = view(wave)
    gain = float(seen @ wave / (wave @ wave))
    assert 10 ** (-24 / 20) <= gain <= 10 ** (4 / 20)
    np.testing.assert_allclose(seen, gain * wave, atol=1e-5)


@given(speed=st.floats(0.01, 0.5), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_length_and_pitch_follow_the_speed(speed, seed):
    tone = (0.1 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)).astype(np.float32)
    factor = 1.0 + np.random.default_rng(seed).uniform(-speed, speed)
    seen = view(tone, seed, speed=speed)
    assert len(seen) == pytest.approx(16000 / factor, abs=1)
    peak_hz = np.abs(np.fft.rfft(seen)).argmax() * 16000 / len(seen)
    assert peak_hz == pytest.approx(1000 * factor, rel=0.01)


@given(n=st.integers(1, 20000), crop_start_s=st.floats(0, 2), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_no_more_is_cut_than_allowed_nor_than_a_quarter(n, crop_start_s, seed):
    lost = n - len(view(noise(n), seed, crop_start_s=crop_start_s))
    assert 0 <= lost <= min(crop_start_s * 16000, n / 4)


def test_a_telephone_passes_its_band_alone():
    seen = view(noise(32000), p_telephone=1.0)
    inside = band(seen, 300, 3400) / 3100
    assert band(seen, 4000, 8001) / 4000 < 1.1e-6 * inside
    assert band(seen, 0, 20) / 20 < 1e-5 * inside
    assert band(view(noise(32000)), 4000, 8001) / 4000 > 0.5 * inside


def test_noise_goes_through_the_telephone_too():
    seen = view(noise(32000), p_telephone=1.0, p_noise=1.0, snr_db=(0.0, 0.0))
    assert band(seen, 4000, 8001) < 1e-5 * band(seen, 300, 3400)


@pytest.mark.parametrize("name", ["mulaw", "gsm"])
def test_a_codec_that_is_named_carries_the_view(name):
    wave = noise(16000)
    plain, seen = (view(wave, p_codec=share, codecs=(name,)) for share in (0.0, 1.0))
    np.testing.assert_allclose(seen, apply_codec(plain, CODECS[name]).clip(-1, 1), atol=1e-6)
    assert band(seen, 4100, 8001) < 1e-4 * band(plain, 4100, 8001)


def test_the_share_of_views_with_a_codec_is_the_one_asked_for():
    wave = noise(800)
    carried = [not np.array_equal(view(wave, s, p_codec=0.3, codecs=("alaw",)), view(wave, s)) for s in range(200)]
    assert np.mean(carried) == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_noise_has_the_level_that_is_asked_for(snr_db):
    tone = (0.1 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)).astype(np.float32)
    seen = view(tone, p_noise=1.0, snr_db=(snr_db, snr_db))
    signal = band(seen, 999.5, 1000.5)
    assert 10 * np.log10(signal / (band(seen, 0, 8001) - signal)) == pytest.approx(snr_db, abs=0.3)


def test_the_tilt_stays_within_its_limit():
    wave = 0.01 * noise(64000)
    seen = view(wave, tilt_db=6.0)
    gains = np.array([band(seen, low, low + 200) / band(wave, low, low + 200) for low in range(0, 8000, 200)])
    assert 1.0 < 10 * np.log10(gains.max() / gains.min()) <= 12.1


def test_reverberation_rings_on_and_decays():
    click = np.zeros(16000, np.float32)
    click[1000] = 0.1
    seen = view(click, p_reverb=1.0, rt60_s=(0.2, 0.2))
    energy = np.add.reduceat(seen.astype(np.float64) ** 2, np.arange(1001, 4200, 400))
    assert energy[0] > 1e-6
    assert (np.diff(energy) < 0).all()
    assert band(seen[:1000], 0, 8001) < 1e-8
    assert np.abs(seen[1000 + 3200 :]).max() < 1e-6


@pytest.mark.parametrize(
    "wrong",
    [
        {"speed": 1.0},
        {"speed": -0.1},
        {"tilt_db": -1.0},
        {"crop_start_s": -0.1},
        {"p_noise": 1.1},
        {"p_telephone": -0.1},
        {"p_reverb": float("nan")},
        {"snr_db": (40.0, 10.0)},
        {"snr_db": (1.0, 2.0, 3.0)},
        {"rt60_s": (0.0, 0.5)},
        {"gain_db": (3.0, -3.0)},
        {"p_codec": 1.5},
        {"codecs": ()},
        {"codecs": ("mulaw", "morse")},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(SettingsError):
        Augmentations(**wrong)
