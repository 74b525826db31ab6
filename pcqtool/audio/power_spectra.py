"""Power spectra of segments in numpy, equal to those of torchaudio's transforms; no torch."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

MEL_FFT, MEL_HOP = 400, 160  # samples; windows of 25 ms every 10 ms, of which log-mel frames are made

_BLOCK = 64
"""Windows that are transformed at once: more do not fit the processor's cache, and take several times as long."""


def power_spectra(
    waves: NDArray[np.float32],
    n_samples: NDArray[np.int64],
    window: NDArray[np.float32],
    hop: int,
    n_bins: int,
    padding: Literal["constant", "reflect"],
) -> NDArray[np.float32]:
    """Compute power spectra of centred windows; the padding of a segment costs nothing.

    Args:
        waves: ``(B, N)``, padded with zeros at the end.
        n_samples: ``(B,)``, lengths before padding.
        window: ``(n_fft,)``, of the discrete Fourier transform.
        hop: samples from one window to the next.
        n_bins: lowest bins that are wanted.
        padding: what is before the beginning and after the end of a segment.

    Returns:
        ``(B, N // hop, n_bins)``

    Examples:
        >>> waves = np.zeros((2, 48_000), np.float32)
        >>> power_spectra(waves, np.array([48_000, 900]), np.hanning(400).astype("f4"), 160, 201, "reflect").shape
        (2, 300, 201)
    """
    n_fft = len(window)
    powers = np.zeros((len(waves), waves.shape[1] // hop, n_bins), np.float32)
    for wave, n, power in zip(waves, n_samples.tolist(), powers, strict=True):
        n_steps = min((n + n_fft // 2) // hop + 1, len(power))
        padded = np.pad(wave[: n_steps * hop + n_fft], n_fft // 2, mode=padding)
        frames = as_strided(padded, (n_steps, n_fft), (hop * padded.itemsize, padded.itemsize))
        for first in range(0, n_steps, _BLOCK):
            block = power[first : min(first + _BLOCK, n_steps)]
            np.abs(np.fft.rfft(frames[first : first + _BLOCK] * window)[:, :n_bins], out=block)
    return np.square(powers, out=powers)


def hann(n: int) -> NDArray[np.float32]:
    """Return the periodic Hann window."""
    return np.hanning(n + 1)[:-1].astype(np.float32)


def centred_hamming(n: int, n_fft: int) -> NDArray[np.float32]:
    """Return the periodic Hamming window of ``n`` samples in the middle of ``n_fft``."""
    window = np.zeros(n_fft, np.float32)
    first = (n_fft - n) // 2
    window[first : first + n] = np.hamming(n + 1)[:-1]
    return window
