"""Speech encoders behind one interface: 16 kHz samples ``(B, N)`` → hidden states ``(B, T, D)`` of each layer."""

from __future__ import annotations

from pcqtool.model.encoders.base import Encoder, EncoderConfig
from pcqtool.model.encoders.mini import MiniEncoder
from pcqtool.model.encoders.pretrained import HF_KINDS, PretrainedEncoder
from pcqtool.model.registry import encoder_class

__all__ = ["Encoder", "EncoderConfig", "MiniEncoder", "PretrainedEncoder", "build", "encoder_type"]


def encoder_type(kind: str) -> type[Encoder]:
    """Return the class of a kind of encoder other than ``none``.

    Raises:
        ModelError: if there is none of this kind, or its plugin is broken.
    """
    if kind == "mini":
        return MiniEncoder
    return PretrainedEncoder if kind in HF_KINDS else encoder_class(kind)


def build(config: EncoderConfig) -> Encoder | None:
    """Build an encoder with random weights; return ``None`` for the kind ``none``.

    Raises:
        ModelError: if the architecture is impossible, or does not have the selected layers.
    """
    if config.kind == "none":
        return None
    encoder = encoder_type(config.kind)(config)
    encoder.layer_indices()
    return encoder.freeze() if config.frozen else encoder
