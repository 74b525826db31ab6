"""Front ends against other libraries: transformers' audio functions, scipy, numpy and openSMILE itself."""

from __future__ import annotations

import numpy as np
import opensmile
import pytest
import torch
from scipy.fft import dct
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from pcqtool.networks import EncoderConfig, ModelError, build_encoder
from pcqtool_rivals.front_ends import (
    N_FUNCTIONALS,
    MFCCSettings,
    clipped_mfcc,
    encoder_frames,
    encoder_input,
    full_scale,
    functionals,
    mfcc,
    preemphasis,
)
from pcqtool_rivals.tim_net import TEMPORAL_MFCC


@pytest.fixture(scope="module")
def waves() -> torch.Tensor:
    """A loud voice-like sweep in noise, and a quiet short noise with padding."""
    t = torch.arange(48_000) / 16_000
    sweep = 0.5 * torch.sin(2 * torch.pi * (120 * t + 60 * t**2)) * (1 + torch.sin(40 * t))
    noise = 0.01 * torch.randn(48_000, generator=torch.Generator().manual_seed(1))
    return torch.stack([sweep + noise, noise * (t < 1.25)])


@pytest.mark.parametrize("settings", [MFCCSettings(26), MFCCSettings(40, hop=160, mel_scale="htk"), TEMPORAL_MFCC])
def test_mfcc_agree_with_another_implementation(waves: torch.Tensor, settings: MFCCSettings) -> None:
    n_fft = settings.n_fft
    filters = mel_filter_bank(n_fft // 2 + 1, 128, 0, 8000, 16_000, norm="slaney", mel_scale=settings.mel_scale)
    found = mfcc(waves, settings).numpy()
    for wave, each in zip(waves.numpy(), found, strict=True):
        db = spectrogram(
            wave.astype(np.float64),
            window_function(n_fft, settings.window),
            frame_length=n_fft,
            hop_length=settings.hop,
            power=2.0,
            mel_filters=filters,
            mel_floor=1e-10,
            log_mel="dB",
            db_range=80,
        )[:, : 48_000 // settings.hop]
        db = np.maximum(db, db.max() - 80)
        expected = dct(db, axis=0, norm="ortho")[: settings.n_coefficients]
        assert each.shape == expected.shape
        np.testing.assert_allclose(each, expected, atol=0.02)


def test_clipped_mfcc_agree_with_another_implementation(waves: torch.Tensor) -> None:
    filters = mel_filter_bank(513, 128, 80, 7600, 16_000, mel_scale="htk", triangularize_in_mel_space=True)
    found = clipped_mfcc(waves).numpy()
    assert found.shape == (2, 184, 40)
    for wave, each in zip(waves.numpy(), found, strict=True):
        magnitude = spectrogram(
            wave.astype(np.float64), window_function(1024, "hann"), 1024, 256, power=1.0, center=False
        )
        log_mel = np.log(magnitude.T @ filters + 1e-6)
        expected = dct(log_mel, axis=1)[:, :40] / np.sqrt(2 * 128)
        np.testing.assert_allclose(each, expected.clip(-10, 10), atol=2e-3)


def test_a_segment_does_not_depend_on_its_batch(waves: torch.Tensor) -> None:
    for front_end in (
        lambda x: mfcc(x, MFCCSettings(26)),
        clipped_mfcc,
        lambda x: full_scale(x, torch.full((len(x),), 48_000)),
    ):
        torch.testing.assert_close(front_end(waves)[1:], front_end(waves[1:]), rtol=1e-4, atol=1e-3)


def test_full_scale_is_the_percentile_of_the_recording(waves: torch.Tensor) -> None:
    scaled = full_scale(waves, torch.tensor([48_000, 20_000]))
    level = np.percentile(np.abs(waves[1, :20_000].numpy()), 99.9)
    np.testing.assert_allclose(scaled[1].numpy(), (waves[1].numpy() / level).clip(-1, 1), rtol=1e-3)
    assert torch.equal(full_scale(torch.zeros(1, 48_000), torch.tensor([0])), torch.zeros(1, 48_000))


def test_preemphasis(waves: torch.Tensor) -> None:
    expected = np.append(waves[0, 0], waves[0, 1:] - 0.97 * waves[0, :-1])
    np.testing.assert_allclose(preemphasis(waves)[0].numpy(), expected, atol=1e-6)


def test_a_frozen_encoder_is_computed_before_and_a_trained_one_after(waves: torch.Tensor) -> None:
    for frozen, shape in ((True, (2, 2, 75, 32)), (False, (2, 80, 300))):
        torch.manual_seed(0)
        encoder = build_encoder(EncoderConfig("mini", {"dim": 32, "n_blocks": 1}, (0, 1), frozen, concat_layers=True))
        computed = encoder_input(encoder, waves)
        frames = encoder_frames(encoder, computed)
        assert (computed.shape[:2], computed.ndim) == (shape[:2], len(shape))
        assert (frames.shape, frames.requires_grad) == ((2, 75, 64), not frozen)
    with pytest.raises(ModelError, match="needs an encoder"):
        encoder_input(None, waves)


@pytest.mark.parametrize("feature_set", N_FUNCTIONALS)
def test_functionals_are_those_of_the_recording(waves: torch.Tensor, feature_set: str) -> None:
    found = functionals(waves, torch.tensor([48_000, 20_000]), feature_set)
    assert found.shape == (2, N_FUNCTIONALS[feature_set])
    smile = opensmile.Smile(opensmile.FeatureSet[feature_set], opensmile.FeatureLevel.Functionals)
    expected = smile.process_signal(waves[1, :20_000].numpy(), 16_000).to_numpy()[0]
    np.testing.assert_allclose(found[1].numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("feature_set", N_FUNCTIONALS)
def test_functionals_of_silence_and_of_very_little_are_numbers(feature_set: str) -> None:
    found = functionals(torch.zeros(2, 48_000), torch.tensor([48_000, 1]), feature_set)
    assert found.isfinite().all()
