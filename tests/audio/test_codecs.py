from __future__ import annotations

import numpy as np
import pytest

from pcqtool.audio.codecs import CODECS, apply_codec


@pytest.fixture(scope="module")
def speechlike():
    """Two seconds of a buzzing voice whose pitch and loudness wander: it fits no other moment than its own."""
    t = np.arange(32000) / 16000
    phase = 2 * np.pi * np.cumsum(130 + 30 * np.sin(2 * np.pi * 0.7 * t)) / 16000
    wave = sum(np.sin(k * phase) / k for k in range(1, 20)) * (0.6 + 0.4 * np.sin(2 * np.pi * 2.3 * t))
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


def delay(before, after):
    """Samples by which a recording comes later than another."""
    n = 2 * len(before)
    product = np.fft.irfft(np.fft.rfft(after, n) * np.conj(np.fft.rfft(before, n)), n)
    lag = int(product.argmax())
    return lag if lag < n // 2 else lag - n


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("n", [32000, 31683, 16001])
def test_length_and_timing_do_not_change(name, n, speechlike):
    wave = speechlike[:n]
    heard = apply_codec(wave, CODECS[name])
    assert (heard.shape, heard.dtype) == (wave.shape, np.float32)
    assert abs(delay(wave, heard)) <= 1
    assert np.corrcoef(wave, heard)[0, 1] > 0.9
    assert not np.allclose(wave, heard, atol=1e-4)  # something has been lost


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("n", [1, 159, 321])
def test_the_shortest_recordings_pass(name, n):
    heard = apply_codec(np.full(n, 0.1, np.float32), CODECS[name])
    assert heard.shape == (n,)
    assert np.isfinite(heard).all()


@pytest.mark.parametrize("name", CODECS)
def test_the_same_comes_back_each_time(name, speechlike):
    assert np.array_equal(apply_codec(speechlike, CODECS[name]), apply_codec(speechlike, CODECS[name]))


def test_fewer_bits_lose_more(speechlike):
    errors = [np.square(apply_codec(speechlike, CODECS[name]) - speechlike).mean() for name in ("opus-32", "opus-12")]
    assert errors[0] < errors[1]


def test_telephone_codecs_pass_nothing_above_4_khz():
    wave = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    for name in ("mulaw", "alaw", "gsm"):
        power = np.abs(np.fft.rfft(apply_codec(wave, CODECS[name]))) ** 2
        assert power[4200:].sum() < 1e-3 * power[:4000].sum()
