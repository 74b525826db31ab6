from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pcqtool.model.encoders.logmel import LogMel


@pytest.mark.parametrize("n_mels", [80, 128])
def test_frames_equal_those_of_transformers_at_the_same_level(waves: Tensor, n_mels: int) -> None:
    """The extractor of transformers gives the same of a segment that has been made as loud."""
    from transformers import WhisperFeatureExtractor

    mel = LogMel(n_mels)
    loudest = mel.power(waves).amax(dim=(1, 2))
    levelled = waves * (10**1.5 / loudest).sqrt()[:, None]
    extractor = WhisperFeatureExtractor(feature_size=n_mels, chunk_length=3)
    theirs = extractor(list(levelled.numpy()), sampling_rate=16000, return_tensors="np").input_features
    ours = mel(waves).numpy()
    assert ours.shape == (8, n_mels, 300)
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("gain_db", [-40.0, -20.0, 12.0])
def test_gain_does_not_matter(waves: Tensor, gain_db: float) -> None:
    mel = LogMel(80)
    loud = waves[4:]
    torch.testing.assert_close(mel(loud * 10 ** (gain_db / 20)), mel(loud), atol=1e-4, rtol=0)


def test_silence_is_quiet(waves: Tensor) -> None:
    mel = LogMel(80)
    assert (mel(torch.zeros(1, 48000)) == mel(waves).min()).all()
    hiss = 1e-5 * torch.randn(1, 48000, generator=torch.Generator().manual_seed(0))
    assert mel(hiss).max() < mel(waves).max() - 0.2


def test_frames_are_float32_under_autocast(waves: Tensor) -> None:
    mel = LogMel(80)
    with torch.autocast("cpu", torch.bfloat16):
        low = mel(waves)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, mel(waves), atol=0, rtol=0)
