"""``mini``: a small convolutional encoder on log-mel frames, trained by this project."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.model.encoders.base import Encoder, EncoderConfig

_HOP = 160  # samples, 10 ms
_POWER_EPS = 1e-10


@dataclass(frozen=True)
class MiniArchitecture:
    """Sizes of the encoder; its frames come at 12.5 a second (hop 20 ms, two strides of 2).

    Attributes:
        width: channels of the first convolution; the last of the stem has four times as many.
        dim: length of a frame.
        n_blocks: residual blocks behind the stem.
        kernel: frames that a block's convolution sees.
        n_mels: bands, a multiple of 16.
        f_max: upper edge of the highest band in Hz.
        dropout: in the blocks.
    """

    width: int = 16
    dim: int = 128
    n_blocks: int = 2
    kernel: int = 3
    n_mels: int = 80
    f_max: float = 8000.0
    dropout: float = 0.0


class LogMel(nn.Module):
    """Log-mel frames of 25 ms every 10 ms, averaged two by two, without the segment's mean level: gain does not matter.

    Shape:
        waves ``(B, N)`` → ``(B, n_mels, N // 320)``
    """

    def __init__(self, n_mels: int, f_max: float) -> None:
        super().__init__()
        self.transform = torchaudio.transforms.Spectrogram(
            n_fft=512, win_length=400, hop_length=_HOP, power=None, pad_mode="constant"
        )
        self.mel = torchaudio.transforms.MelScale(n_mels=n_mels, sample_rate=16000, f_max=f_max, n_stft=257)

    @torch.no_grad()
    def forward(self, waves: Tensor) -> Tensor:
        """Compute the frames in float32, about zero mean and unit variance."""
        with torch.autocast(waves.device.type, enabled=False):
            spectrum = self.transform(waves.float())[:, :, : waves.shape[-1] // _HOP]
            power = self.mel(spectrum.real.square() + spectrum.imag.square())
            loudest = power.amax(dim=(1, 2), keepdim=True).clamp_min(_POWER_EPS)
            level = functional.avg_pool1d(torch.log10((power / loudest).clamp_min(1e-8)), 2)
            return (level - level.mean(dim=(1, 2), keepdim=True)) / 1.5


class ConvBlock(nn.Module):
    """A residual convolution in time.

    Shape:
        ``(B, D, T)`` → ``(B, D, T)``
    """

    def __init__(self, dim: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm1d(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the block computes to its input."""
        added: Tensor = x + self.dropout(self.norm(self.conv(x)).relu())
        return added


class MiniEncoder(Encoder):
    """Log-mel frames, a 2-D convolutional stem, then residual blocks; every block is a layer.

    The stem slides over frequency as it does over time, so that a higher voice looks like a shifted one.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        sizes = MiniArchitecture(**config.architecture)
        self.dim = sizes.dim
        self.n_layers = sizes.n_blocks
        self.mel = LogMel(sizes.n_mels, sizes.f_max)
        w = sizes.width
        self.stem = nn.Sequential(
            *_convolve(1, w, 5, (2, 2)),
            *_convolve(w, 2 * w, 3, (2, 2)),
            *_convolve(2 * w, 4 * w, 3, (2, 1)),
            *_convolve(4 * w, 4 * w, 3, (2, 1)),
        )
        self.join = nn.Sequential(
            nn.Conv1d(4 * w * sizes.n_mels // 16, sizes.dim, 1, bias=False), nn.BatchNorm1d(sizes.dim), nn.ReLU()
        )
        self.blocks = nn.ModuleList(ConvBlock(sizes.dim, sizes.kernel, sizes.dropout) for _ in range(sizes.n_blocks))

    def front_end(self, waves: Tensor) -> Tensor:
        """Compute log-mel frames ``(B, n_mels, N // 320)``."""
        frames: Tensor = self.mel(waves)
        return frames

    def hidden_states(self, heard: Tensor) -> list[Tensor]:
        """Run the blocks up to the last one that is asked for."""
        wanted = self.layer_indices()
        maps = self.stem(heard.unsqueeze(1).contiguous(memory_format=torch.channels_last))  # (B, 4w, n_mels / 16, T)
        x = self.join(maps.flatten(1, 2))
        states = [x]
        for block in self.blocks[: max(wanted)]:
            x = block(x)
            states.append(x)
        return [states[index].transpose(1, 2) for index in wanted]


def _convolve(c_in: int, c_out: int, kernel: int, stride: tuple[int, int]) -> list[nn.Module]:
    return [
        nn.Conv2d(c_in, c_out, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    ]
