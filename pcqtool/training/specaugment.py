"""SpecAugment: pieces of time and bands of frequency hidden from the network while it learns."""

from __future__ import annotations

import torchaudio
from torch import Tensor

from pcqtool.model.pcq import NetworkInputs
from pcqtool.training.recipe import SpecAugment


def hide(inputs: NetworkInputs, settings: SpecAugment) -> NetworkInputs:
    """Mask the network's spectrogram and, where the encoder reads log-mel frames, these too; each has its own masks.

    Waves, and the hidden states of a frozen encoder, are left as they are.
    """
    level = _mask(inputs.spectrogram.transpose(2, 3), settings).transpose(2, 3)
    heard = inputs.encoder_input
    if heard is not None and heard.ndim == 3:  # (B, bands, T)
        heard = _mask(heard.unsqueeze(1), settings).squeeze(1)
    return inputs._replace(spectrogram=level, encoder_input=heard)


def _mask(spectrogram: Tensor, settings: SpecAugment) -> Tensor:
    """Put the batch's mean in place of pieces of ``(B, 1, bands, T)``."""
    filling = float(spectrogram.mean())
    wide = max(1, round(settings.time_mask * spectrogram.shape[3]))
    high = max(1, round(settings.frequency_mask * spectrogram.shape[2]))
    for _ in range(settings.n_time_masks):
        spectrogram = torchaudio.transforms.TimeMasking(wide, iid_masks=True)(spectrogram, filling)
    for _ in range(settings.n_frequency_masks):
        spectrogram = torchaudio.transforms.FrequencyMasking(high, iid_masks=True)(spectrogram, filling)
    return spectrogram
