"""Pre-trained encoders of transformers: WavLM, wav2vec 2.0, HuBERT, and the encoder half of Whisper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.errors import ModelError
from pcqtool.model.encoders.base import KINDS, Encoder, EncoderConfig

WHISPER_FRAMES = 150  # of a segment of 3 s: hop of 10 ms, second convolution's stride of 2
_NOT_TRANSFORMERS = ("model_type", "standardised_input")  # of ``EncoderConfig.architecture``


class WhisperMel(nn.Module):
    """Whisper's log-mel input for a segment of any length, not only 30 s.

    The formula is that of transformers' ``WhisperFeatureExtractor``, in batches and on the samples' device.

    Shape:
        waves ``(B, N)`` → ``(B, n_mels, N // 160)``
    """

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.mel = torchaudio.transforms.MelSpectrogram(
            sample_rate=16000, n_fft=400, hop_length=160, n_mels=n_mels, norm="slaney", mel_scale="slaney"
        )

    def forward(self, waves: Tensor) -> Tensor:
        """Compute log10 mel power, limited to 8 below each segment's maximum, shifted and scaled."""
        power = self.mel(waves.float())[:, :, : waves.shape[-1] // 160]
        level = power.clamp_min(1e-10).log10()
        level = level.maximum(level.amax(dim=(1, 2), keepdim=True) - 8.0)
        scaled: Tensor = (level + 4.0) / 4.0
        return scaled


class PretrainedEncoder(Encoder):
    """An encoder of transformers, cut off above the highest layer that is used.

    Whisper's table of positions is cut to the segment's length, so that 3 s cost 3 s and not 30 s.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        self._take(_stock_model(config))

    def _take(self, model: Any) -> None:
        settings = model.config
        is_whisper = self.config.kind == "whisper"
        self.dim = settings.d_model if is_whisper else settings.hidden_size
        self.n_layers = settings.encoder_layers if is_whisper else settings.num_hidden_layers
        self.standardised = not is_whisper and bool(self.config.architecture.get("standardised_input"))
        if is_whisper:
            self.mel = WhisperMel(settings.num_mel_bins)
        else:
            # Masking is part of pre-training and of transformers' own fine-tuning, not of this model's.
            settings.apply_spec_augment = False
            settings.layerdrop = 0.0
        _cut_layers(model if is_whisper else model.encoder, max(self.layer_indices()), self.n_layers)
        self.model = model
        if self.config.frozen:
            self.model.requires_grad_(False)

    def train(self, mode: bool = True) -> PretrainedEncoder:
        """Keep a frozen encoder in evaluation mode."""
        super().train(mode)
        if self.config.frozen:
            self.model.eval()
        return self

    def front_end(self, waves: Tensor) -> Tensor:
        """Compute Whisper's log-mel frames, or standardise the waves where the encoder wants that."""
        if self.config.kind == "whisper":
            frames: Tensor = self.mel(waves)
            return frames
        return functional.layer_norm(waves, waves.shape[-1:]) if self.standardised else waves

    def hidden_states(self, heard: Tensor) -> list[Tensor]:
        """Run the encoder once and pick its hidden states."""
        output = self.model(heard, output_hidden_states=True)
        return [output.hidden_states[index] for index in self.layer_indices()]


def load_pretrained(source: str | Path, layers: tuple[int, ...] = (-1,), frozen: bool = False) -> PretrainedEncoder:
    """Load an encoder with its weights from a directory or, given an id, from the Hugging Face Hub.

    Raises:
        ModelError: if it cannot be found, reached or used.
    """
    from transformers import AutoConfig, AutoModel
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    try:
        settings = AutoConfig.from_pretrained(source)
        if settings.model_type not in KINDS:
            raise ModelError(f"{source}: encoders of type {settings.model_type!r} are not supported")
        model_class = WhisperEncoder if settings.model_type == "whisper" else AutoModel
        model = model_class.from_pretrained(source, dtype=torch.float32, use_safetensors=True)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ModelError(
            f"cannot load the encoder {source}: {first}",
            "Name a directory with config.json and model.safetensors, or a Hub id while online.",
        ) from error
    if settings.model_type == "whisper":
        _cut_positions(model, WHISPER_FRAMES)
    architecture = model.config.to_diff_dict()
    architecture["standardised_input"] = _standardised_input(Path(source), settings)
    encoder = PretrainedEncoder.__new__(PretrainedEncoder)
    config = EncoderConfig(settings.model_type, architecture, tuple(layers), frozen)
    Encoder.__init__(encoder, config)
    encoder._take(model)
    return encoder


def _stock_model(config: EncoderConfig) -> Any:
    from transformers import AutoModel
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    known = {key: value for key, value in config.architecture.items() if key not in _NOT_TRANSFORMERS}
    settings: Any = CONFIG_MAPPING[config.kind](**known)
    stock: Any = AutoModel  # untyped
    return WhisperEncoder(settings) if config.kind == "whisper" else stock.from_config(settings)


def _standardised_input(source: Path, settings: Any) -> bool:
    """Say whether the encoder wants each segment at zero mean and unit variance."""
    file = source / "preprocessor_config.json"
    if file.is_file():
        return bool(json.loads(file.read_text()).get("do_normalize", False))
    return getattr(settings, "feat_extract_norm", "") == "layer"


def _cut_layers(stack: Any, top: int, n_layers: int) -> None:
    """Drop the layers above ``top``; a lower layer's output is then not put through the final normalisation.

    Where the final normalisation stands before the first layer (post-norm WavLM, HuBERT, wav2vec 2.0), it stays.
    """
    if top == n_layers:
        return
    stack.layers = stack.layers[:top]
    final_norm = type(stack).__name__.startswith("Whisper") or "StableLayerNorm" in type(stack).__name__
    if final_norm:
        stack.layer_norm = nn.Identity()


def _cut_positions(model: Any, n_frames: int) -> None:
    table = model.embed_positions.weight[:n_frames].clone()
    model.embed_positions = nn.Embedding(n_frames, table.shape[1], _weight=table, _freeze=True)
    model.max_source_positions = model.config.max_source_positions = n_frames
