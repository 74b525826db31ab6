"""Power spectra of segments in numpy, equal to those of torchaudio's transforms; no torch."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

MEL_FFT, MEL_HOP = 400, 160  # samples; windows of 25 ms every 10 ms, of which log-mel frames are made


class PowerSpectra:
    """Computes the power spectra of centred windows of one segment after another, each time in the same memory.

    New memory for each segment would cost more than the transform, and threads would wait for one another. An object
    therefore belongs to one thread.

    Args:
        n_samples: length of a segment.
        window: ``(n_fft,)``, of the discrete Fourier transform.
        hop: samples from one window to the next.
        n_bins: lowest bins that are wanted.
        padding: what is before the beginning and after the end of a segment.

    Examples:
        >>> spectra = PowerSpectra(48_000, np.hanning(400).astype("f4"), 160, 201, "reflect")
        >>> spectra(np.zeros(48_000, np.float32), 48_000).shape
        (300, 201)
    """

    def __init__(
        self,
        n_samples: int,
        window: NDArray[np.float32],
        hop: int,
        n_bins: int,
        padding: Literal["constant", "reflect"],
    ) -> None:
        n_fft, n_steps = len(window), n_samples // hop
        self._window, self._hop, self._reflects = window, hop, padding == "reflect"
        self._padded = np.zeros(n_samples + 2 * (n_fft // 2), np.float32)
        itemsize = self._padded.itemsize
        self._frames = as_strided(self._padded, (n_steps, n_fft), (hop * itemsize, itemsize))
        self._windowed = np.empty((n_steps, n_fft), np.float32)
        self._spectrum = np.empty((n_steps, n_fft // 2 + 1), np.complex64)
        self._power = np.zeros((n_steps, n_bins), np.float32)

    def __call__(self, wave: NDArray[np.float32], n: int) -> NDArray[np.float32]:
        """Compute ``(n_samples // hop, n_bins)``, valid until the next call; the padding of a segment costs nothing.

        Args:
            wave: ``(n_samples,)``, padded with zeros at the end.
            n: its length before padding.
        """
        n_fft = len(self._window)
        half, power = n_fft // 2, self._power
        n_steps = min((n + half) // self._hop + 1, len(power))
        self._padded[half:-half] = wave
        if self._reflects:
            self._padded[:half], self._padded[-half:] = wave[half:0:-1], wave[-2 : -half - 2 : -1]
        np.multiply(self._frames[:n_steps], self._window, out=self._windowed[:n_steps])
        np.fft.rfft(self._windowed[:n_steps], out=self._spectrum[:n_steps])  # type: ignore[arg-type]
        np.abs(self._spectrum[:n_steps, : power.shape[1]], out=power[:n_steps])
        np.square(power[:n_steps], out=power[:n_steps])
        power[n_steps:] = 0.0
        return power


def hann(n: int) -> NDArray[np.float32]:
    """Return the periodic Hann window."""
    return np.hanning(n + 1)[:-1].astype(np.float32)


def centred_hamming(n: int, n_fft: int) -> NDArray[np.float32]:
    """Return the periodic Hamming window of ``n`` samples in the middle of ``n_fft``."""
    window = np.zeros(n_fft, np.float32)
    first = (n_fft - n) // 2
    window[first : first + n] = np.hamming(n + 1)[:-1]
    return window
