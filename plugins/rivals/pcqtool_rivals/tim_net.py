"""TIM-Net (Ye, Wen, Wei, Xu, Liu and Shan, ICASSP 2023): dilated convolutions forwards and backwards in time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pcqtool.networks import Network, NetworkConfig, NetworkOutput
from pcqtool_rivals.causal import CausalConv
from pcqtool_rivals.front_ends import MFCCSettings, mfcc

TEMPORAL_MFCC = MFCCSettings(39, n_fft=800, hop=200, window="hamming")
"""The papers' input: 39 coefficients of 50 ms Hamming windows every 12.5 ms."""


@dataclass(frozen=True)
class TIMNetConfig(NetworkConfig):
    """The paper's network for EMO-DB.

    Attributes:
        n_filters: channels of all convolutions.
        kernel: their kernel size.
        n_blocks: blocks in each direction; the dilation of block j is 2^(j - 1).
        dropout: dropout rate of whole channels.
    """

    n_filters: int = 39
    kernel: int = 2
    n_blocks: int = 8
    dropout: float = 0.1


class TIMNet(Network[TIMNetConfig]):
    """Two stacks of temporal-aware blocks; the classifier gets a learned sum of all their scales.

    Shape:
        MFCC ``(B, 39, T)`` → logits ``(B, L)``, embedding ``(B, n_filters)``
    """

    config_class = TIMNetConfig
    front_end_settings = ()

    def __init__(self, config: TIMNetConfig) -> None:
        super().__init__(config)
        self.directions = nn.ModuleList(_Direction(config) for _ in range(2))
        self.scale_weights = nn.Parameter(torch.empty(config.n_blocks).uniform_(-0.05, 0.05))
        self.classifier = nn.Linear(config.n_filters, len(config.labels))

    def front_end(self, waves: Tensor, n_samples: Tensor) -> tuple[Tensor, ...]:
        """Compute MFCC ``(B, 39, T)``."""
        return (mfcc(waves, TEMPORAL_MFCC).half(),)

    def classify(self, inputs: tuple[Tensor, ...], valid_fraction: Tensor) -> NetworkOutput:
        """Predict the labels; the padding counts like the recording, as in the paper."""
        (frames,) = inputs
        forwards, backwards = (stack(x) for stack, x in zip(self.directions, (frames, frames.flip(2)), strict=True))
        scales = [(x + y).mean(dim=2) for x, y in zip(forwards, backwards, strict=True)]
        embedding = torch.einsum("jbc,j->bc", torch.stack(scales), self.scale_weights)
        return NetworkOutput(self.classifier(embedding), embedding)


class _Direction(nn.Module):
    """The blocks of one direction: ``(B, 39, T)`` → the output ``(B, C, T)`` of each block."""

    def __init__(self, config: TIMNetConfig) -> None:
        super().__init__()
        self.stem = nn.Conv1d(TEMPORAL_MFCC.n_coefficients, config.n_filters, 1)
        self.blocks = nn.ModuleList(_TemporalAwareBlock(config, 2**j) for j in range(config.n_blocks))

    def forward(self, frames: Tensor) -> list[Tensor]:
        outputs = [self.stem(frames)]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        return outputs[1:]


class _TemporalAwareBlock(nn.Module):
    """Multiply the input by a gate of two causal convolutions, ``(B, C, T)`` → ``(B, C, T)``."""

    def __init__(self, config: TIMNetConfig, dilation: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            convolution = CausalConv(config.n_filters, config.n_filters, config.kernel, dilation)
            layers += [convolution, nn.BatchNorm1d(config.n_filters), nn.ReLU(), nn.Dropout1d(config.dropout)]
        self.gate = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.gate(x)
        return x * gate.sigmoid()
