from __future__ import annotations

import copy

import pytest
import torch

from pcqtool.model.encoders import EncoderConfig
from pcqtool.model.encoders.pretrained import PretrainedEncoder

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 4, 4),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


@pytest.mark.parametrize("kind", ["wavlm", "wav2vec2", "hubert"])
@pytest.mark.parametrize("norm", ["group", "layer"])
def test_quicker_ways_give_the_same_frames(kind, norm):
    torch.manual_seed(0)
    plain = PretrainedEncoder(EncoderConfig(kind, SIZES | {"feat_extract_norm": norm})).eval()
    quick = copy.deepcopy(plain)
    quick.prepare(torch.float32)
    rough = copy.deepcopy(plain)
    rough.prepare(torch.bfloat16)
    waves = torch.randn(3, 8000)
    with torch.inference_mode():
        expected = plain(waves)
        torch.testing.assert_close(quick(waves), expected, atol=1e-5, rtol=1e-4)
        close = rough(waves)
    assert close.dtype == torch.float32
    assert not torch.equal(close, expected)
    assert (close - expected).abs().mean() < 0.05


@pytest.mark.parametrize("wave", [torch.zeros(2, 8000), 0.5 + 1e-3 * torch.randn(2, 8000)])
def test_silence_and_noise_on_an_offset_give_the_same_frames_too(wave):
    torch.manual_seed(0)
    plain = PretrainedEncoder(EncoderConfig("wavlm", SIZES)).eval()
    quick = copy.deepcopy(plain)
    quick.prepare(torch.float32)
    with torch.inference_mode():
        torch.testing.assert_close(quick(wave), plain(wave), atol=1e-3, rtol=1e-3)
