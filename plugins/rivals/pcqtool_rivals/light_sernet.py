"""Light-SERNet (Aftab, Morsali, Ghaemmaghami and Champagne, ICASSP 2022): a small convolutional network on MFCC."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pcqtool.networks import ModelError, Network, NetworkConfig, NetworkOutput
from pcqtool_rivals.front_ends import clipped_mfcc, full_scale

Size = tuple[int, int]
KERNELS: tuple[Size, ...] = ((3, 3), (3, 3), (3, 3), (3, 3), (1, 1))
POOLS: tuple[Size | None, ...] = ((2, 2), (2, 2), (2, 1), (2, 1), None)
"""Kernels and poolings of the blocks, in frames and coefficients."""


@dataclass(frozen=True)
class LightSERNetConfig(NetworkConfig):
    """The paper's network.

    Attributes:
        n_mfcc: coefficients of a frame.
        path_channels: output channels of each of the three parallel paths.
        channels: output channels of the five blocks after them.
        dropout: dropout rate before the classifier.
    """

    n_mfcc: int = 40
    path_channels: int = 32
    channels: tuple[int, ...] = (64, 96, 128, 160, 320)
    dropout: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.channels) != len(KERNELS):
            raise ModelError(f"channels must be {len(KERNELS)} numbers, not {list(self.channels)}")


class LightSERNet(Network[LightSERNetConfig]):
    """Three parallel paths, along time, along frequency and along both, then blocks of convolution and pooling.

    Shape:
        MFCC ``(B, T, n_mfcc)`` → logits ``(B, L)``, embedding ``(B, channels[-1])``
    """

    config_class = LightSERNetConfig
    front_end_settings = ("n_mfcc",)

    def __init__(self, config: LightSERNetConfig) -> None:
        super().__init__(config)
        width = config.path_channels
        self.paths = nn.ModuleList(_block(1, width, kernel, (2, 2), bias=True) for kernel in ((11, 1), (1, 9), (3, 3)))
        inputs = (3 * width, *config.channels[:-1])
        blocks = [
            _block(c_in, c_out, kernel, pool)
            for c_in, c_out, kernel, pool in zip(inputs, config.channels, KERNELS, POOLS, strict=True)
        ]
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.channels[-1], len(config.labels))
        self.to(memory_format=torch.channels_last)  # faster on a CPU

    def front_end(self, waves: Tensor, n_samples: Tensor) -> tuple[Tensor, ...]:
        """Compute MFCC of 64 ms windows every 16 ms at full scale, ``(B, T, n_mfcc)``."""
        return (clipped_mfcc(full_scale(waves, n_samples), self.config.n_mfcc).half(),)

    def classify(self, inputs: tuple[Tensor, ...], valid_fraction: Tensor) -> NetworkOutput:
        """Predict the labels; the padding counts like the recording, as in the paper."""
        frames = inputs[0].unsqueeze(1)  # (B, 1, T, n_mfcc)
        maps = self.blocks(torch.cat([path(frames) for path in self.paths], dim=1))
        embedding = maps.mean(dim=(2, 3))
        return NetworkOutput(self.classifier(self.dropout(embedding)), embedding)


def _block(c_in: int, c_out: int, kernel: Size, pool: Size | None = None, bias: bool = False) -> nn.Sequential:
    """Build convolution, normalisation, ReLU and average pooling, which rounds sizes up."""
    padding = (kernel[0] // 2, kernel[1] // 2)
    layers = [nn.Conv2d(c_in, c_out, kernel, padding=padding, bias=bias), nn.BatchNorm2d(c_out), nn.ReLU()]
    if pool is not None:
        layers.append(nn.AvgPool2d(pool, ceil_mode=True, count_include_pad=False))
    return nn.Sequential(*layers)
