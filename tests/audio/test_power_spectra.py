from __future__ import annotations

import numpy as np
import pytest
import torch
import torchaudio

from pcqtool.audio.power_spectra import PowerSpectra, centred_hamming, hann

N_SAMPLES = np.array([48000, 30000, 16000, 161, 37, 0])


@pytest.fixture(scope="module")
def waves() -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 0.1, (len(N_SAMPLES), 48000)).astype(np.float32)
    return np.where(np.arange(48000) < N_SAMPLES[:, None], noise, np.float32(0))


def _compute(waves: np.ndarray, spectra: PowerSpectra) -> np.ndarray:
    return np.stack([spectra(wave, n).copy() for wave, n in zip(waves, N_SAMPLES, strict=True)])


@pytest.mark.parametrize(
    ("window", "length", "make", "padding"),
    [
        (hann(400), 400, torch.hann_window, "reflect"),
        (centred_hamming(640, 800), 640, torch.hamming_window, "constant"),
    ],
)
def test_power_spectra_are_those_of_torchaudio(
    waves: np.ndarray, window: np.ndarray, length: int, make: object, padding: str
) -> None:
    transform = torchaudio.transforms.Spectrogram(
        n_fft=len(window), win_length=length, hop_length=160, window_fn=make, power=2.0, pad_mode=padding
    )
    expected = transform(torch.from_numpy(waves)).transpose(1, 2)[:, :300, :150].numpy()
    found = _compute(waves, PowerSpectra(48000, window, 160, 150, padding))  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_padding_is_zero(waves: np.ndarray) -> None:
    found = _compute(waves, PowerSpectra(48000, hann(400), 160, 201, "reflect"))
    assert found.shape == (6, 300, 201)
    assert (found[2, 16000 // 160 + 2 :] == 0.0).all()
    assert found[2, : 16000 // 160].min(axis=1).max() > 0.0
    assert (found[5] == 0.0).all()
