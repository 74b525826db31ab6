"""Speech encoders behind one interface: 16 kHz samples ``(B, N)`` → hidden states ``(B, T, D)`` of each layer."""

from __future__ import annotations

from pcqtool.model.encoders.base import Encoder, EncoderConfig
from pcqtool.model.encoders.mini import MiniEncoder
from pcqtool.model.encoders.pretrained import PretrainedEncoder

__all__ = ["Encoder", "EncoderConfig", "MiniEncoder", "PretrainedEncoder", "build"]


def build(config: EncoderConfig) -> Encoder | None:
    """Build an encoder with random weights; return ``None`` for the kind ``none``.

    Raises:
        ModelError: if the architecture is impossible, or does not have the selected layers.
    """
    if config.kind == "none":
        return None
    encoder = MiniEncoder(config) if config.kind == "mini" else PretrainedEncoder(config)
    encoder.layer_indices()
    return encoder.freeze() if config.frozen else encoder
