"""Segments, small encoders and small networks: what the tests of the model read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pcqtool.model.encoders import EncoderConfig
from pcqtool.model.pcq import PCQ, PCQConfig

LABELS = ("anger", "happiness", "neutral", "sadness")
SPEECHLIKE = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [8, 8, 8],
    "conv_kernel": [10, 8, 4],
    "conv_stride": [5, 8, 8],
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
WHISPERLIKE = {
    "d_model": 32,
    "encoder_layers": 3,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_layers": 1,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 48,
    "vocab_size": 60,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 3,
}
LARGE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("none", {}),
    "mini": ("mini", {}),
    "wavlm": ("wavlm", SPEECHLIKE),
    "wavlm-large": ("wavlm", SPEECHLIKE | LARGE),
    "wav2vec2": ("wav2vec2", SPEECHLIKE),
    "wav2vec2-large": ("wav2vec2", SPEECHLIKE | LARGE),
    "hubert": ("hubert", SPEECHLIKE),
    "hubert-large": ("hubert", SPEECHLIKE | LARGE),
    "whisper": ("whisper", WHISPERLIKE),
}


@pytest.fixture(autouse=True, scope="session")
def _offline() -> Any:
    """No test asks the Hub for anything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # if it has read the environment before
        yield


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def waves() -> Tensor:
    """Eight segments ``(8, 48000)``: noises and tones of different loudness, the last three padded."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(8, 48000, generator=generator)
    tone = torch.sin(2 * torch.pi * torch.arange(48000) * torch.linspace(100, 3000, 8)[:, None] / 16000)
    waves = (0.3 * noise + tone) * torch.logspace(-3, 0, 8)[:, None]
    for row, n_samples in ((5, 30000), (6, 9000), (7, 37)):
        waves[row, n_samples:] = 0
    return waves


@pytest.fixture(scope="session")
def encoder_config() -> Callable[..., EncoderConfig]:
    """Makes the configuration of a small encoder by its name in ``ARCHITECTURES``."""

    def make(name: str, layers: tuple[int, ...] = (-1,), frozen: bool = False) -> EncoderConfig:
        kind, architecture = ARCHITECTURES[name]
        return EncoderConfig(kind, architecture, layers, frozen)

    return make


@pytest.fixture(scope="session")
def network(encoder_config: Callable[..., EncoderConfig]) -> Callable[..., PCQ]:
    """Makes a network with a small encoder and classifier; the other settings are the paper's or as they are given."""

    def make(name: str = "mini", layers: tuple[int, ...] = (-1,), frozen: bool = False, **changes: Any) -> PCQ:
        encoder = encoder_config(name, layers, frozen)
        settings: dict[str, Any] = {"labels": LABELS, "classifier_hidden": (16,), "encoder": encoder}
        return PCQ(PCQConfig(**settings | changes))

    return make


@pytest.fixture(scope="session")
def hf_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Saves a plain encoder of transformers with random weights, once: the directory."""
    from transformers import AutoModel
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    root = tmp_path_factory.mktemp("encoders")

    def make(name: str) -> Path:
        kind, architecture = ARCHITECTURES[name]
        if not (root / name).is_dir():
            torch.manual_seed(3)
            model = AutoModel.from_config(CONFIG_MAPPING[kind](**architecture))
            model.save_pretrained(root / name)
        return root / name

    return make


@pytest.fixture(scope="session")
def shared_encoders() -> Path:
    """Real encoders, where they are at hand."""
    default = Path(__file__).parents[2].parent / "shared" / "encoders"
    folder = Path(os.environ.get("PCQTOOL_ENCODERS", default))
    if not folder.is_dir():
        pytest.skip("there are no pre-trained encoders here")
    return folder
