"""Log-mel frames at one level: what Whisper's encoder hears, and so the small encoder that learns from it."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor, nn

HOP = 160  # samples, 10 ms

_LOUDEST = 1.5  # log10 power of every segment's loudest bin, which speech near full scale has
_RANGE = 8.0  # what lies further below the loudest bin counts as that far below
_SILENCE = 1e-7  # a segment whose loudest bin has less power is not raised further


class LogMel(nn.Module):
    """Log-mel frames of 25 ms every 10 ms, the segment brought to one level: gain does not matter.

    Apart from the level, the formula is that of transformers' ``WhisperFeatureExtractor``, for a segment of any length
    instead of 30 s, in batches and on the samples' device.

    Shape:
        waves ``(B, N)`` → ``(B, n_mels, N // 160)``
    """

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        with torch.device("cpu"):  # its filters are values, also where a network is built of shapes alone
            self.transform = torchaudio.transforms.MelSpectrogram(
                sample_rate=16000, n_fft=400, hop_length=HOP, n_mels=n_mels, norm="slaney", mel_scale="slaney"
            )
        self.transform.spectrogram.power = None

    @torch.no_grad()
    def forward(self, waves: Tensor) -> Tensor:
        """Compute log10 mel power in float32, from the loudest bin to 8 below it, shifted and scaled."""
        with torch.autocast(waves.device.type, enabled=False):
            power = self.power(waves.float())
            loudest = power.amax(dim=(1, 2), keepdim=True).clamp_min(_SILENCE)
            level = (power / loudest).clamp_min(10.0**-_RANGE).log10() + _LOUDEST
            scaled: Tensor = (level + 4.0) / 4.0
            return scaled

    def power(self, waves: Tensor) -> Tensor:
        """Compute mel power, ``(B, N)`` → ``(B, n_mels, N // 160)``."""
        complex_ = self.transform.spectrogram(waves)[:, :, : waves.shape[-1] // HOP]
        power: Tensor = self.transform.mel_scale(complex_.real.square() + complex_.imag.square())  # abs() takes longer
        return power
