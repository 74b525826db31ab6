"""Inputs of the rivals' networks, from 16 kHz segments; nothing here is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torchaudio
from torch import Tensor
from torch.nn import functional

from pcqtool.networks import SAMPLE_RATE, Encoder, ModelError

DB_RANGE = 80.0
"""Mel power is limited to this many dB below a segment's loudest."""

_MIN_POWER = 1e-10
_MIN_MAGNITUDE = 1e-6
_MAX_LEVEL = 0.999  # quantile of the samples' magnitude that becomes full scale
_MIN_FUNCTIONAL_SAMPLES = SAMPLE_RATE // 4  # shorter segments have functionals that are not numbers

N_FUNCTIONALS = {"ComParE_2016": 6373, "eGeMAPSv02": 88}
"""openSMILE's sets of functionals, and how many each has."""


@dataclass(frozen=True)
class MFCCSettings:
    """Mel-frequency cepstral coefficients; the defaults are those of librosa at 16 kHz.

    Attributes:
        n_coefficients: coefficients, from the zeroth on.
        n_fft: samples of a window, and points of its discrete Fourier transform.
        hop: samples from one window to the next.
        window: ``hann`` or ``hamming``.
        mel_scale: ``slaney`` or ``htk``.
        n_mels: mel bands from 0 to 8 000 Hz, each of unit area.
    """

    n_coefficients: int
    n_fft: int = 2048
    hop: int = 512
    window: str = "hann"
    mel_scale: str = "slaney"
    n_mels: int = 128


def mfcc(waves: Tensor, settings: MFCCSettings) -> Tensor:
    """Compute MFCC of mel power in dB, as librosa does.

    Shape:
        waves ``(B, N)`` → ``(B, n_coefficients, N // hop)``

    Examples:
        >>> import torch
        >>> mfcc(torch.zeros(2, 48000), MFCCSettings(26)).shape
        torch.Size([2, 26, 93])
    """
    n_fft, hop = settings.n_fft, settings.hop
    window = _window(settings.window, n_fft).to(waves.device)
    power = torchaudio.functional.spectrogram(waves, 0, window, n_fft, hop, n_fft, 2.0, False, pad_mode="reflect")
    bands = _filters(n_fft, settings.n_mels, settings.mel_scale).to(waves.device)
    db = 10.0 * (power[..., : waves.shape[1] // hop].transpose(1, 2) @ bands).clamp_min(_MIN_POWER).log10()
    db = db.maximum(db.amax(dim=(1, 2), keepdim=True) - DB_RANGE)  # (B, T, n_mels)
    coefficients: Tensor = db @ _cosines(settings.n_coefficients, settings.n_mels, "ortho").to(waves.device)
    return coefficients.transpose(1, 2)


def clipped_mfcc(waves: Tensor, n_coefficients: int = 40, n_fft: int = 1024, hop: int = 256) -> Tensor:
    """Compute MFCC of log mel magnitude, limited to ±10, as Light-SERNet's authors do with TensorFlow.

    The windows are not centred; 128 mel bands are from 80 to 7 600 Hz. All coefficients have TensorFlow's one scale.

    Shape:
        waves ``(B, N)`` → ``(B, 1 + (N - n_fft) // hop, n_coefficients)``
    """
    n_mels = 128
    window = _window("hann", n_fft).to(waves.device)
    magnitude = torchaudio.functional.spectrogram(waves, 0, window, n_fft, hop, n_fft, 1.0, False, center=False)
    bands = _mel_triangles(n_fft, n_mels, 80.0, 7600.0).to(waves.device)
    log_mel = (magnitude.transpose(1, 2) @ bands + _MIN_MAGNITUDE).log()
    scale = (2.0 * n_mels) ** -0.5
    coefficients: Tensor = log_mel @ _cosines(n_coefficients, n_mels, None).to(waves.device) * scale
    return coefficients.clamp(-10.0, 10.0)


def full_scale(waves: Tensor, n_samples: Tensor) -> Tensor:
    """Scale each segment so that 99.9 % of its samples are within -1 to 1, and limit the others.

    Shape:
        waves ``(B, N)``, padded with zeros at the end, n_samples ``(B,)``, their lengths before padding → ``(B, N)``
    """
    length = waves.shape[1]
    ascending = waves.abs().sort(dim=1).values  # the padding comes first
    position = length - n_samples + _MAX_LEVEL * (n_samples - 1).clamp_min(0)
    below = position.floor().long().clamp_max(length - 1)
    low, high = (ascending.gather(1, at.unsqueeze(1)) for at in (below, (below + 1).clamp_max(length - 1)))
    level = low + (high - low) * (position - below).unsqueeze(1).to(waves.dtype)
    return (waves / (level + torch.finfo(torch.float32).eps)).clamp(-1.0, 1.0)


def preemphasis(waves: Tensor, coefficient: float = 0.97) -> Tensor:
    """Subtract from each sample ``coefficient`` times the one before it: ``(B, N)`` → ``(B, N)``."""
    return waves - coefficient * functional.pad(waves, (1, 0))[:, :-1]


def functionals(waves: Tensor, n_samples: Tensor, feature_set: str) -> Tensor:
    """Compute openSMILE's functionals of the recording in each segment, without its padding.

    Very short segments are computed with some of their padding, down to which openSMILE's values are numbers.

    Shape:
        waves ``(B, N)``, n_samples ``(B,)`` → ``(B, N_FUNCTIONALS[feature_set])``
    """
    smile = _smile(feature_set)
    rows = [
        smile(wave[: max(n, _MIN_FUNCTIONAL_SAMPLES)], SAMPLE_RATE).reshape(-1)
        for wave, n in zip(waves.cpu().numpy(), n_samples.tolist(), strict=True)
    ]
    return torch.from_numpy(np.nan_to_num(np.stack(rows), posinf=0.0, neginf=0.0)).to(waves.device)


def encoder_input(encoder: Encoder | None, waves: Tensor) -> Tensor:
    """Compute the hidden states ``(B, S, T, D)`` of a frozen encoder, or the input of one that is trained.

    Raises:
        ModelError: without an encoder.
    """
    encoder = _existing(encoder)
    if not encoder.config.frozen:
        return encoder.front_end(waves)
    with torch.no_grad():
        return encoder.encode(waves)


def encoder_frames(encoder: Encoder | None, computed: Tensor) -> Tensor:
    """Compute the encoder's frames ``(B, T, D)`` from ``encoder_input``.

    Raises:
        ModelError: without an encoder.
    """
    encoder = _existing(encoder)
    if encoder.config.frozen:
        return encoder.combine(computed.unbind(1))
    frames: Tensor = encoder(computed)
    return frames


def _existing(encoder: Encoder | None) -> Encoder:
    if encoder is None:
        raise ModelError("the network needs an encoder", "Set kind in [network.encoder].")
    return encoder


@lru_cache
def _smile(feature_set: str) -> Any:
    import opensmile

    return opensmile.Smile(opensmile.FeatureSet[feature_set], opensmile.FeatureLevel.Functionals)


@lru_cache
def _window(shape: str, n: int) -> Tensor:
    return torch.hann_window(n) if shape == "hann" else torch.hamming_window(n)


@lru_cache
def _filters(n_fft: int, n_mels: int, scale: str) -> Tensor:
    """Return librosa's filters ``(n_fft // 2 + 1, n_mels)``, triangles in Hz, each of unit area."""
    filters: Tensor = torchaudio.functional.melscale_fbanks(
        n_fft // 2 + 1, 0.0, SAMPLE_RATE / 2, n_mels, SAMPLE_RATE, "slaney", scale
    )
    return filters


@lru_cache
def _mel_triangles(n_fft: int, n_mels: int, low_hz: float, high_hz: float) -> Tensor:
    """Return TensorFlow's filters ``(n_fft // 2 + 1, n_mels)``, triangles in mel, each of height 1."""

    def mel(hz: float) -> float:
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    ends = torch.linspace(mel(low_hz), mel(high_hz), n_mels + 2)
    bins = torch.tensor([[mel(number * SAMPLE_RATE / n_fft)] for number in range(n_fft // 2 + 1)])
    rising, falling = (bins - ends[:-2]) / ends.diff()[:-1], (ends[2:] - bins) / ends.diff()[1:]
    return rising.minimum(falling).clamp_min(0.0)


@lru_cache
def _cosines(n: int, n_mels: int, norm: str | None) -> Tensor:
    """Return the matrix ``(n_mels, n)`` of the discrete cosine transform."""
    cosines: Tensor = torchaudio.functional.create_dct(n, n_mels, norm)
    return cosines
