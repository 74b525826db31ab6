"""The sizes of the small encoder, readable without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MiniArchitecture:
    """Sizes of the encoder, which outputs 25 frames per second.

    Attributes:
        dim: length of a frame.
        n_blocks: number of residual blocks after the stem.
        kernel: kernel size of the blocks' convolutions in frames, an odd number.
        expansion: width of a block's hidden layer, as a multiple of ``dim``.
        n_mels: number of mel bands.
    """

    dim: int = 256
    n_blocks: int = 3
    kernel: int = 5
    expansion: int = 4
    n_mels: int = 80
