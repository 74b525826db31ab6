"""Pre-trained encoders of transformers: WavLM, wav2vec 2.0, HuBERT, and the encoder half of Whisper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.model.encoders.base import Encoder, EncoderConfig
from pcqtool.model.encoders.comparison import SHORT_PROBE, probe_waves
from pcqtool.model.encoders.fast_inference import quick_ways
from pcqtool.model.encoders.fast_paths import settle
from pcqtool.model.encoders.logmel import LogMel
from pcqtool.model.encoders.mixed_precision import keep_exact, roundings
from pcqtool.model.encoders.transformers_encoders import build_stock, read_stock
from pcqtool.model.encoders.whisper import WHISPER_FRAMES, cut_positions

__all__ = ["WHISPER_FRAMES", "PretrainedEncoder", "load_pretrained"]

_VARIANCE_EPS = 1e-7  # of transformers' Wav2Vec2FeatureExtractor


class PretrainedEncoder(Encoder):
    """An encoder of transformers, cut off above the highest layer that is used; Whisper's hears 3 s.

    Without ``model``, a stock encoder, its weights are random, to be replaced by those of a model directory.
    """

    def __init__(self, config: EncoderConfig, model: Any = None) -> None:
        super().__init__(config)
        self.model = build_stock(config.kind, config.architecture) if model is None else model
        settings = self.model.config
        is_whisper = config.kind == "whisper"
        self.dim = settings.d_model if is_whisper else settings.hidden_size
        self.n_layers = settings.encoder_layers if is_whisper else settings.num_hidden_layers
        self.standardised = bool(config.architecture.get("standardised_input", False))
        if is_whisper:
            self.mel = LogMel(settings.num_mel_bins)
            self.model.layerdrop = 0.0
            cut_positions(self.model)
        else:
            # Masking is part of pre-training and of transformers' own fine-tuning, not of this model's.
            settings.apply_spec_augment = False
            settings.layerdrop = 0.0
        keep_exact(self.model)
        _cut_layers(self.model if is_whisper else self.model.encoder, max(self.layer_indices()), self.n_layers)

    def front_end(self, waves: Tensor) -> Tensor:
        """Compute Whisper's log-mel frames, or standardise the waves where the encoder wants that."""
        if self.config.kind == "whisper":
            frames: Tensor = self.mel(waves)
            return frames
        return functional.layer_norm(waves, waves.shape[-1:], eps=_VARIANCE_EPS) if self.standardised else waves

    def hidden_states(self, heard: Tensor) -> list[Tensor]:
        """Run the encoder once and pick its hidden states."""
        output = self.model(heard, output_hidden_states=True)
        return [output.hidden_states[index].to(heard.dtype) for index in self.layer_indices()]

    def prepare(self, dtype: torch.dtype) -> tuple[str, ...]:
        """Take the quicker ways, and compute in another precision; its frames stay in that of what it hears.

        What is made of a short sound is compared with what it was before; a way that changes it is not taken.
        """
        exact = dtype == torch.float32 and self.config.kind != "whisper"
        n_samples = SHORT_PROBE if exact else SEGMENT_SAMPLES
        ways = [*quick_ways(self.model), *roundings(self.model, dtype)]
        return settle(ways, lambda: self.states(probe_waves(n_samples).to(self.model.device)))


def load_pretrained(
    source: str | Path, layers: tuple[int, ...] = (-1,), frozen: bool = False, concat_layers: bool = False
) -> PretrainedEncoder:
    """Load an encoder with its weights from a directory or, given an id, from the Hugging Face Hub; it is evaluating.

    Args:
        source: the directory or the id.
        layers: the hidden states that are used.
        frozen: whether it is not trained.
        concat_layers: whether several layers are put side by side instead of mixed.

    Raises:
        ModelError: if it cannot be found, reached or used, or if weights are missing.
    """
    model, architecture = read_stock(source)
    config = EncoderConfig(model.config.model_type, architecture, tuple(layers), frozen, concat_layers)
    encoder = PretrainedEncoder(config, model).eval()
    return encoder.freeze() if frozen else encoder


def _cut_layers(stack: Any, top: int, n_layers: int) -> None:
    """Drop the layers above ``top``; a lower layer's output is then not put through the final normalisation.

    Where the final normalisation stands before the first layer (post-norm WavLM, HuBERT, wav2vec 2.0), it stays.
    One layer always stays, since transformers records what enters the first one as it is called.
    """
    if top == n_layers:
        return
    stack.layers = stack.layers[: max(1, top)]
    final_norm = type(stack).__name__.startswith("Whisper") or "StableLayerNorm" in type(stack).__name__
    if final_norm:
        stack.layer_norm = nn.Identity()
