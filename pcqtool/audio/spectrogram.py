"""The paper's spectrogram: 300 frames of 200 bins for a segment of 3 s (section 3.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torchaudio
from torch import Tensor, nn

from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.errors import SettingsError

_POWER_EPS = 1e-20  # of a segment's loudest bin; a segment below it counts as digital silence


@dataclass(frozen=True)
class SpectrogramSettings:
    """Front end: 40 ms Hamming windows every 10 ms, an 800-point DFT, its first 200 bins (0 to 3 980 Hz)."""

    sample_rate: int = SAMPLE_RATE
    window: int = 640
    hop: int = 160
    n_fft: int = 800
    n_bins: int = 200
    floor_db: float = -80.0

    def __post_init__(self) -> None:
        if not 0 < self.window <= self.n_fft or not 0 < self.n_bins <= self.n_fft // 2 + 1 or self.hop < 1:
            raise SettingsError(f"impossible spectrogram settings: {self}")
        if self.sample_rate != SAMPLE_RATE:
            raise SettingsError(f"sample_rate must be {SAMPLE_RATE} Hz, not {self.sample_rate}")
        if not -math.inf < self.floor_db < 0:
            raise SettingsError(f"floor_db must be negative, not {self.floor_db}")


class Spectrogram(nn.Module):
    """Power in dB relative to each segment's loudest bin, limited to ``floor_db``.

    The level of a recording therefore does not matter. Padding and segments of digital silence are at the floor.

    Shape:
        waves ``(B, N)`` → ``(B, N // hop, n_bins)`` in dB, from ``floor_db`` to 0.

    Examples:
        >>> import torch
        >>> Spectrogram(SpectrogramSettings())(torch.zeros(2, 48000)).shape
        torch.Size([2, 300, 200])
    """

    def __init__(self, settings: SpectrogramSettings) -> None:
        super().__init__()
        self.settings = settings
        with torch.device("cpu"):  # the meta device could compute the window only with torch's compiler loaded
            self.transform = torchaudio.transforms.Spectrogram(
                n_fft=settings.n_fft,
                win_length=settings.window,
                hop_length=settings.hop,
                window_fn=torch.hamming_window,
                power=None,
                center=True,
                pad_mode="constant",
            )

    @torch.no_grad()
    def forward(self, waves: Tensor) -> Tensor:
        """Compute the spectrogram in float32, whatever the caller's autocast."""
        with torch.autocast(waves.device.type, enabled=False):
            complex_ = self.transform(waves.float())[:, : self.settings.n_bins, : waves.shape[-1] // self.settings.hop]
            power = complex_.real.square() + complex_.imag.square()  # several times faster than abs()
            return self.to_db(power.transpose(1, 2))

    def to_db(self, power: Tensor) -> Tensor:
        """Convert power ``(B, T, n_bins)`` to dB relative to each segment's loudest bin."""
        loudest = power.amax(dim=(1, 2), keepdim=True).clamp_min(_POWER_EPS)
        floor = 10.0 ** (self.settings.floor_db / 10.0)
        return 10.0 * torch.log10((power / loudest).clamp(floor, 1.0))
