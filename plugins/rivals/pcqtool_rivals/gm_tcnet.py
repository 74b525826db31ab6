"""GM-TCNet (Ye, Wen, Wang, Xu, Luo, Wu, Chen and Liu, Speech Communication 2022): gated dilated convolutions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.networks import Network, NetworkConfig, NetworkOutput
from pcqtool_rivals.causal import CausalConv
from pcqtool_rivals.front_ends import mfcc
from pcqtool_rivals.tim_net import TEMPORAL_MFCC

N_BRANCHES = 3
"""Parallel gated convolutions of a level, whose outputs are averaged."""


@dataclass(frozen=True)
class GMTCNetConfig(NetworkConfig):
    """The network of the authors' public code.

    Attributes:
        n_filters: channels of all convolutions.
        kernel: their kernel size.
        n_blocks: gated convolution blocks; the dilations of block j are 2^(j - 1) and twice that.
        slope: of the leaky ReLU before the average over time, for negative values.
    """

    n_filters: int = 39
    kernel: int = 2
    n_blocks: int = 7
    slope: float = 0.05


class GMTCNet(Network[GMTCNetConfig]):
    """A stack of gated convolution blocks, whose outputs are summed and averaged over time.

    Shape:
        MFCC ``(B, 39, T)`` → logits ``(B, L)``, embedding ``(B, n_filters)``
    """

    config_class = GMTCNetConfig
    front_end_settings = ()

    def __init__(self, config: GMTCNetConfig) -> None:
        super().__init__(config)
        self.stem = nn.Conv1d(TEMPORAL_MFCC.n_coefficients, config.n_filters, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(_GatedLevel(config, 2**j), _GatedLevel(config, 2 ** (j + 1))) for j in range(config.n_blocks)
        )
        self.classifier = nn.Linear(config.n_filters, len(config.labels))

    def front_end(self, waves: Tensor, n_samples: Tensor) -> tuple[Tensor, ...]:
        """Compute MFCC ``(B, 39, T)``."""
        return (mfcc(waves, TEMPORAL_MFCC).half(),)

    def classify(self, inputs: tuple[Tensor, ...], valid_fraction: Tensor) -> NetworkOutput:
        """Predict the labels; the padding counts like the recording, as in the paper."""
        x = self.stem(inputs[0])
        total = torch.zeros_like(x)
        for block in self.blocks:
            skip = block(x)
            x, total = x + skip, total + skip
        embedding = functional.leaky_relu(total, self.config.slope).mean(dim=2)
        return NetworkOutput(self.classifier(embedding), embedding)


class _GatedLevel(nn.Module):
    """Three causal convolutions, each multiplied by a gate of its own: ``(B, C, T)`` → their mean, ``(B, C, T)``."""

    def __init__(self, config: GMTCNetConfig, dilation: int) -> None:
        super().__init__()
        # All six convolutions have the same input: they are one with six times the channels.
        self.convolutions = CausalConv(config.n_filters, 2 * N_BRANCHES * config.n_filters, config.kernel, dilation)

    def forward(self, x: Tensor) -> Tensor:
        values, gates = self.convolutions(x).relu().unflatten(1, (2, N_BRANCHES, -1)).unbind(1)
        mean: Tensor = (values * gates.sigmoid()).mean(dim=1)
        return mean
