"""Log-mel frames of normalised level: the input of Whisper's encoder and of ``mini``, which is distilled from it."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor, nn

from pcqtool.audio.power_spectra import MEL_FFT, MEL_HOP

_LOUDEST = 1.5  # log10 power to which each segment's loudest bin is scaled, as in speech near full scale
_RANGE = 8.0  # dynamic range below the loudest bin, in log10 units
_SILENCE = 1e-7  # minimum power of the loudest bin, so that silence is not amplified


class LogMel(nn.Module):
    """Log-mel frames of 25 ms every 10 ms; the level is normalised per segment, so that gain does not matter.

    Apart from the level, the formula is that of transformers' ``WhisperFeatureExtractor``, but for segments of any
    length instead of 30 s, in batches, and on the device of the samples.

    Shape:
        waves ``(B, N)`` → ``(B, n_mels, N // 160)``
    """

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        with torch.device("cpu"):  # the filter bank needs values even if the network is built on the meta device
            self.transform = torchaudio.transforms.MelSpectrogram(
                sample_rate=16000, n_fft=MEL_FFT, hop_length=MEL_HOP, n_mels=n_mels, norm="slaney", mel_scale="slaney"
            )
        self.transform.spectrogram.power = None

    @torch.no_grad()
    def forward(self, waves: Tensor) -> Tensor:
        """Compute shifted and scaled log10 mel power in float32, limited to 8 below the loudest bin."""
        with torch.autocast(waves.device.type, enabled=False):
            return self.scale(self.power(waves.float()))

    @staticmethod
    def scale(power: Tensor) -> Tensor:
        """Compute the frames from mel power ``(B, n_mels, T)``."""
        loudest = power.amax(dim=(1, 2), keepdim=True).clamp_min(_SILENCE)
        level = (power / loudest).clamp_min(10.0**-_RANGE).log10() + _LOUDEST
        scaled: Tensor = (level + 4.0) / 4.0
        return scaled

    def power(self, waves: Tensor) -> Tensor:
        """Compute mel power, ``(B, N)`` → ``(B, n_mels, N // 160)``."""
        complex_ = self.transform.spectrogram(waves)[:, :, : waves.shape[-1] // MEL_HOP]
        power: Tensor = self.transform.mel_scale(complex_.real.square() + complex_.imag.square())  # faster than abs()
        return power
