from __future__ import annotations

import numpy as np
import pytest
import torch
import torchaudio
from torch.nn import functional

from pcqtool.audio.levels import log_mel, mel_filters, pooled_decibels
from pcqtool.audio.power_spectra import MEL_FFT, PowerSpectra, centred_hamming, hann
from pcqtool.audio.spectrogram import Spectrogram, SpectrogramSettings
from pcqtool.model.encoders.logmel import LogMel
from pcqtool.model.encoders.mini import MiniEncoder


@pytest.fixture(params=[0.3, 1e-4, 0.0], ids=["loud", "quiet", "silent"])
def waves(request: pytest.FixtureRequest) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 1, (1, 48000)).cumsum(axis=1)
    return (request.param * noise / np.abs(noise).max()).astype(np.float32)


@pytest.mark.parametrize("n_mels", [20, 80, 128])
def test_filters_are_those_of_torchaudio(n_mels: int) -> None:
    expected = torchaudio.functional.melscale_fbanks(
        MEL_FFT // 2 + 1, 0.0, 8000.0, n_mels, 16000, norm="slaney", mel_scale="slaney"
    )
    np.testing.assert_allclose(mel_filters(n_mels), expected.numpy(), atol=2e-7)


def test_log_mel_frames_are_those_of_the_encoder(waves: np.ndarray) -> None:
    power = PowerSpectra(48000, hann(MEL_FFT), 160, MEL_FFT // 2 + 1, "reflect")(waves[0], 48000)
    expected = MiniEncoder.normalise(LogMel(80)(torch.from_numpy(waves)))[0].T
    np.testing.assert_allclose(log_mel(power, mel_filters(80)), expected.numpy(), atol=1e-4)


@pytest.mark.parametrize("pool", [(8, 4), (7, 3), (1, 1)])
def test_decibels_are_those_of_the_spectrogram(waves: np.ndarray, pool: tuple[int, int]) -> None:
    settings = SpectrogramSettings()
    power = PowerSpectra(48000, centred_hamming(640, 800), 160, settings.n_bins, "constant")(waves[0], 48000)
    expected = functional.avg_pool2d(Spectrogram(settings)(torch.from_numpy(waves)), pool)[0]
    np.testing.assert_allclose(pooled_decibels(power, settings.floor_db, pool), expected.numpy(), atol=2e-3)
