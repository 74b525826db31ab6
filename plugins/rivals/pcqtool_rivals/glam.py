"""GLAM (Zhu and Li, ICASSP 2022): convolutions of two sizes, and a gated MLP across their channels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.networks import SAMPLE_RATE, SEGMENT_SAMPLES, ModelError, Network, NetworkConfig, NetworkOutput
from pcqtool_rivals.front_ends import MFCCSettings, mfcc

STEM_CHANNELS = 16
N_CHANNELS = 8 * STEM_CHANNELS
"""Channels of the last map: each of the three multi-scale blocks doubles them."""


@dataclass(frozen=True)
class GLAMConfig(NetworkConfig):
    """The paper's network.

    Attributes:
        n_mfcc: coefficients of a frame; a multiple of 2.
        window_s: length of the windows that are classified each by itself.
        window_hop_s: seconds from one window to the next.
        expansion: hidden width of the gated MLP, as a multiple of its input's.
    """

    n_mfcc: int = 26
    window_s: float = 1.8
    window_hop_s: float = 0.6
    expansion: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.25 <= self.window_s <= SEGMENT_SAMPLES / SAMPLE_RATE or self.window_hop_s <= 0:
            raise ModelError("window_s must be from 0.25 to 3 seconds, and window_hop_s positive")

    @property
    def window(self) -> tuple[int, int]:
        """Length and hop of the windows in samples."""
        return round(self.window_s * SAMPLE_RATE), round(self.window_hop_s * SAMPLE_RATE)


class GLAM(Network[GLAMConfig]):
    """Multi-scale convolutions and global-aware fusion; the logits of a segment's windows are averaged.

    Shape:
        MFCC of windows ``(B, W, n_mfcc, T)`` → logits ``(B, L)``, embedding ``(B, 128)``
    """

    config_class = GLAMConfig
    front_end_settings = ("n_mfcc", "window_s", "window_hop_s")

    def __init__(self, config: GLAMConfig) -> None:
        super().__init__(config)
        self.settings = MFCCSettings(config.n_mfcc)
        self.stems = nn.ModuleList(
            nn.Sequential(nn.Conv2d(1, STEM_CHANNELS, kernel, padding="same"), nn.BatchNorm2d(STEM_CHANNELS), nn.ReLU())
            for kernel in ((3, 1), (1, 3))
        )
        self.features = nn.Sequential(
            _MultiScale(STEM_CHANNELS),
            nn.MaxPool2d(2),
            _MultiScale(2 * STEM_CHANNELS),
            nn.MaxPool2d(2),
            _MultiScale(4 * STEM_CHANNELS),
            nn.Conv2d(N_CHANNELS, N_CHANNELS, 5, padding=2),
            nn.BatchNorm2d(N_CHANNELS),
            nn.ReLU(),
        )
        n_frames = config.window[0] // self.settings.hop
        n_positions = (2 * config.n_mfcc // 4) * (n_frames // 4)  # the stems' maps are one above the other
        self.fusion = _GatedMLP(n_positions, N_CHANNELS, config.expansion)
        self.classifier = nn.Linear(N_CHANNELS * n_positions, len(config.labels))
        self.to(memory_format=torch.channels_last)  # faster on a CPU

    def front_end(self, waves: Tensor, n_samples: Tensor) -> tuple[Tensor, ...]:
        """Compute MFCC of the windows, ``(B, W, n_mfcc, T)``."""
        windows = waves.unfold(1, *self.config.window)  # (B, W, n)
        coefficients = mfcc(windows.flatten(0, 1), self.settings)
        return (coefficients.reshape(*windows.shape[:2], *coefficients.shape[1:]).half(),)

    def classify(self, inputs: tuple[Tensor, ...], valid_fraction: Tensor) -> NetworkOutput:
        """Predict the labels from the windows of which at least half is not padding, and always from the first."""
        (windows,) = inputs
        length, hop = self.config.window
        numbers = torch.arange(windows.shape[1], device=windows.device)
        used = valid_fraction.unsqueeze(1) * SEGMENT_SAMPLES >= numbers * hop + length / 2  # (B, W)
        used |= numbers == 0
        x = windows[used].unsqueeze(1)
        maps = self.features(torch.cat([stem(x) for stem in self.stems], dim=2)).flatten(2)  # (V, 128, positions)
        fused = self.fusion(maps).relu()
        logits = self.classifier(fused.flatten(1))
        return NetworkOutput(_mean_over_windows(logits, used), _mean_over_windows(fused.mean(dim=2), used))


def _mean_over_windows(values: Tensor, used: Tensor) -> Tensor:
    """Average the values ``(V, C)`` of the used windows ``(B, W)`` of each segment: ``(B, C)``."""
    placed = values.new_zeros(*used.shape, values.shape[1])
    placed[used] = values
    return placed.sum(dim=1) / used.sum(dim=1, keepdim=True)


class _MultiScale(nn.Module):
    """Convolutions of 3×3 and 5×5, each added to its input, side by side: ``(B, C, H, W)`` → ``(B, 2C, H, W)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.small = nn.Conv2d(channels, channels, 3, padding=1)
        self.large = nn.Conv2d(channels, channels, 5, padding=2)
        self.norm = nn.BatchNorm2d(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(torch.cat((self.small(x) + x, self.large(x) + x), dim=1)))


class _GatedMLP(nn.Module):
    """The global-aware fusion: one block of a gated MLP (Liu et al., 2021), whose gate mixes the channels.

    Shape:
        ``(B, C, D)``, C channels of D positions → ``(B, C, D)``
    """

    def __init__(self, n_positions: int, n_channels: int, expansion: int) -> None:
        super().__init__()
        width = n_positions * expansion // 2
        self.norm = nn.LayerNorm(n_positions)
        self.expand = nn.Sequential(nn.Linear(n_positions, 2 * width), nn.GELU())
        self.gate_norm = nn.LayerNorm(width)
        self.mix = nn.Conv1d(n_channels, n_channels, 1)  # begins close to passing the values on
        nn.init.uniform_(self.mix.weight, -1e-3 / n_channels, 1e-3 / n_channels)
        nn.init.constant_(self.mix.bias, 1.0)  # type: ignore[arg-type]
        self.reduce = nn.Linear(width, n_positions)

    def forward(self, x: Tensor) -> Tensor:
        values, gate = self.expand(self.norm(x)).chunk(2, dim=2)
        added: Tensor = self.reduce(self.mix(self.gate_norm(gate)).tanh() * values)
        return x + added
