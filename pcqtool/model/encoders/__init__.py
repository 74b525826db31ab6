"""Speech encoders behind one interface: 16 kHz samples ``(B, N)`` → hidden states ``(B, T, D)``, one for each layer."""

from __future__ import annotations

from pcqtool.model.encoders.base import Encoder, EncoderConfig
from pcqtool.model.encoders.mini import MiniEncoder
from pcqtool.model.encoders.pretrained import PretrainedEncoder

__all__ = ["Encoder", "EncoderConfig", "MiniEncoder", "PretrainedEncoder", "build"]


def build(config: EncoderConfig) -> Encoder | None:
    """Build the encoder's layers, with random weights; ``None`` for the kind ``none``.

    Raises:
        ModelError: if the architecture is impossible, or has not the layers to be read.
    """
    if config.kind == "none":
        return None
    encoder = MiniEncoder(config) if config.kind == "mini" else PretrainedEncoder(config)
    encoder.layer_indices()
    return encoder.freeze() if config.frozen else encoder
