"""Log-mel frames and spectrograms in dB, from power spectra, in numpy; equal to those of the networks in torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.power_spectra import MEL_FFT
from pcqtool.audio.segment import SAMPLE_RATE

Array = NDArray[np.float32]

_LOG10 = np.float32(1 / np.log(10))  # np.log10 is several times slower than np.log
_MEL_SILENCE, _SILENCE = 1e-7, 1e-20  # minimum powers of the loudest bin, so that silence is not amplified
_MEL_RANGE, _MEL_LOUDEST = 8.0, 1.5  # in log10 units, as in pcqtool.model.encoders.logmel
_LINEAR_HZ, _LINEAR_MELS = 1000.0, 15.0  # Slaney's scale is linear up to 1 kHz
_MELS_PER_E = 27.0 / np.log(6.4)


def mel_filters(n_mels: int) -> Array:
    """Return Slaney's mel filters for frames of ``MEL_FFT`` samples at 16 kHz, of equal area.

    Source: M. Slaney, *Auditory Toolbox*, 1998; the filters of Whisper and of torchaudio's ``slaney`` scale and norm.

    Returns:
        ``(MEL_FFT // 2 + 1, n_mels)``

    Examples:
        >>> mel_filters(80).shape
        (201, 80)
    """
    top = _LINEAR_MELS + _MELS_PER_E * np.log(SAMPLE_RATE / 2 / _LINEAR_HZ)
    mels = np.linspace(0, top, n_mels + 2)
    above = np.maximum(mels - _LINEAR_MELS, 0)
    edges = np.where(above > 0, _LINEAR_HZ * np.exp(above / _MELS_PER_E), mels * _LINEAR_HZ / _LINEAR_MELS)  # Hz
    frequencies = np.linspace(0, SAMPLE_RATE / 2, MEL_FFT // 2 + 1)[:, None]
    widths = np.diff(edges)
    rising, falling = (frequencies - edges[:-2]) / widths[:-1], (edges[2:] - frequencies) / widths[1:]
    filters = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    return np.asarray(filters, np.float32)


def log_mel(power: Array, filters: Array, out: Array | None = None) -> Array:
    """Compute log-mel frames of normalised level, shifted and scaled for the small encoder.

    Args:
        power: ``(T, n)``, power spectra of a segment.
        filters: ``(n, n_mels)``
        out: memory for the result.

    Returns:
        ``(T, n_mels)``
    """
    mel: Array = np.matmul(power, filters, out=out)
    mel *= 1 / max(float(mel.max()), _MEL_SILENCE)
    np.maximum(mel, 10.0**-_MEL_RANGE, out=mel)
    np.log(mel, out=mel)
    # Scaled to about -1 to 1: Whisper's (x + 4) / 4 of the level in log10, then (y - 0.1) * 2.
    mel *= _LOG10 / 2
    mel += (_MEL_LOUDEST + 4.0) / 2 - 0.2
    return mel


def pooled_decibels(power: Array, floor_db: float, pool: tuple[int, int], out: Array | None = None) -> Array:
    """Compute a segment's spectrogram in dB relative to its loudest bin, averaged over frames and bins.

    Args:
        power: ``(T, n_bins)``, which is overwritten.
        floor_db: lowest level.
        pool: frames and bins that are averaged; a rest is left out.
        out: memory for the result.

    Returns:
        ``(T // pool[0], n_bins // pool[1])``
    """
    steps, bins = pool
    power *= 1 / max(float(power.max()), _SILENCE)
    np.maximum(power, 10.0 ** (floor_db / 10.0), out=power)
    np.log(power, out=power)
    n_steps, n_bins = len(power) // steps, power.shape[1] // bins
    summed = power[: n_steps * steps].reshape(n_steps, steps, -1).sum(axis=1)
    pooled: Array = summed[:, : n_bins * bins].reshape(n_steps, n_bins, bins).sum(axis=2, out=out)
    pooled *= 10 * _LOG10 / (steps * bins)
    return pooled
