"""What Whisper's encoder needs to hear 3 s instead of 30 s: log-mel frames and positions of that length."""

from __future__ import annotations

from typing import Any

import torch
import torchaudio
from torch import Tensor, nn

WHISPER_FRAMES = 150  # of a segment of 3 s: hop of 10 ms, second convolution's stride of 2


class WhisperMel(nn.Module):
    """Whisper's log-mel input for a segment of any length, not only 30 s.

    The formula is that of transformers' ``WhisperFeatureExtractor``, in batches and on the samples' device.

    Shape:
        waves ``(B, N)`` → ``(B, n_mels, N // 160)``
    """

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.mel = torchaudio.transforms.MelSpectrogram(
            sample_rate=16000, n_fft=400, hop_length=160, n_mels=n_mels, norm="slaney", mel_scale="slaney"
        )

    @torch.no_grad()
    def forward(self, waves: Tensor) -> Tensor:
        """Compute log10 mel power in float32, limited to 8 below each segment's maximum, shifted and scaled."""
        with torch.autocast(waves.device.type, enabled=False):
            power = self.mel(waves.float())[:, :, : waves.shape[-1] // 160]
            level = power.clamp_min(1e-10).log10()
            level = level.maximum(level.amax(dim=(1, 2), keepdim=True) - 8.0)
            scaled: Tensor = (level + 4.0) / 4.0
            return scaled


def cut_positions(model: Any) -> None:
    """Cut a ``WhisperEncoder``'s table of positions to the first 3 s, so that 3 s cost 3 s and not 30 s."""
    table = model.embed_positions.weight[:WHISPER_FRAMES].clone()
    model.embed_positions = nn.Embedding(table.shape[0], table.shape[1], _weight=table, _freeze=True)
    model.max_source_positions = model.config.max_source_positions = len(table)
