from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.audio.spectrogram import Spectrogram, SpectrogramSettings
from pcqtool.errors import SettingsError

SPECTROGRAM = Spectrogram(SpectrogramSettings())
TIME = torch.arange(48000) / 16000


def noise(n: int = 1, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(n, 48000, generator=torch.Generator().manual_seed(seed))


def by_hand(wave: np.ndarray) -> np.ndarray:
    """The paper's front end in numpy and double precision: frames centred on every tenth millisecond."""
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(640) / 640)
    padded = np.pad(wave.astype(np.float64), 320)
    frames = np.stack([padded[start : start + 640] * window for start in range(0, len(wave), 160)])
    power = np.abs(np.fft.rfft(frames, 800)[:, :200]) ** 2
    level: np.ndarray = 10 * np.log10(np.maximum(power / power.max(), 1e-8))
    return level


def test_three_seconds_are_300_frames_of_200_bins() -> None:
    level = SPECTROGRAM(noise(2))
    assert level.shape == (2, 300, 200)
    assert level.dtype == torch.float32
    assert level.max() == 0
    assert level.min() >= -80


def test_it_is_the_papers_formula() -> None:
    wave = noise()[0] + torch.sin(2 * torch.pi * 700 * TIME) * TIME
    wave[30000:] = 0
    np.testing.assert_allclose(SPECTROGRAM(wave[None])[0].numpy(), by_hand(wave.numpy()), atol=2e-3)


@pytest.mark.parametrize(("hertz", "peak"), [(1000, 50), (100, 5), (3980, 199), (440, 22)])
def test_tone_peaks_in_its_bin(hertz: float, peak: int) -> None:
    level = SPECTROGRAM(torch.sin(2 * torch.pi * hertz * TIME)[None])[0]
    assert (level[5:-5].argmax(dim=1) == peak).all()


def test_padding_is_at_the_floor() -> None:
    wave = noise()
    wave[:, 16000:] = 0
    level = SPECTROGRAM(wave)[0]
    assert (level[102:] == -80).all()  # 20 ms of a window reach over the end
    assert (level[:98] > -80).all(dim=0).any()


def test_digital_silence_is_at_the_floor_and_never_at_0_db() -> None:
    assert (SPECTROGRAM(torch.zeros(2, 48000)) == -80).all()
    mixed = SPECTROGRAM(torch.cat((noise(), torch.zeros(1, 48000))))
    assert (mixed[1] == -80).all()


def test_floor_can_be_set() -> None:
    level = Spectrogram(SpectrogramSettings(floor_db=-40.0))(torch.cat((noise(), torch.zeros(1, 48000))))
    assert level[0].min() >= -40
    assert (level[1] == -40).all()


@settings(deadline=None, max_examples=20)
@given(exponent=st.integers(-15, 10), seed=st.integers(0, 1000))
def test_doubling_the_gain_changes_no_bit(exponent: int, seed: int) -> None:
    wave = noise(seed=seed)
    assert torch.equal(SPECTROGRAM(wave * 2.0**exponent), SPECTROGRAM(wave))


@settings(deadline=None, max_examples=20)
@given(gain_db=st.floats(-60, 20))
def test_gain_does_not_matter(gain_db: float) -> None:
    wave = noise() * TIME
    torch.testing.assert_close(SPECTROGRAM(wave * 10 ** (gain_db / 20)), SPECTROGRAM(wave), atol=1e-2, rtol=0)


@pytest.mark.parametrize("size", [2, 7, 32])
def test_same_bits_alone_and_in_a_batch(size: int) -> None:
    waves = noise(size) * torch.logspace(-3, 0, size)[:, None]
    together = SPECTROGRAM(waves)
    for row in range(size):
        assert torch.equal(SPECTROGRAM(waves[row : row + 1])[0], together[row])


def test_neither_gradients_nor_half_precision() -> None:
    wave = noise().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        level = SPECTROGRAM(wave)
    assert not level.requires_grad
    assert torch.equal(level, SPECTROGRAM(wave))


@pytest.mark.parametrize(
    "changes",
    [
        {"window": 0},
        {"window": 801},
        {"n_bins": 0},
        {"n_bins": 402},
        {"hop": 0},
        {"floor_db": 0.0},
        {"floor_db": math.nan},
        {"floor_db": -math.inf},
        {"sample_rate": 8000},
    ],
)
def test_impossible_settings_are_errors(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        SpectrogramSettings(**changes)
