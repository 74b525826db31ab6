"""Loudness of channels, and detection of silent seconds."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FRAME_S = 0.1  # a channel is as loud as its loudest frame: a party who rarely speaks must not count as a dead line
SILENCE_RMS = 1e-4  # RMS of the loudest frame (-80 dB full scale) up to which a channel is silent


def peak_frame_rms(block: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float64]:
    """Return the RMS of the loudest frame of each channel, without each frame's DC offset.

    Args:
        block: samples ``(n, channels)``.
        rate: of the block, in Hz.

    Shape:
        ``(channels,)``; zeros for a block without samples.
    """
    size = max(1, min(len(block), round(FRAME_S * rate)))
    frames = block[: len(block) // size * size].reshape(-1, size, block.shape[1])
    peak: npt.NDArray[np.float64] = np.zeros(block.shape[1])
    for part in (frames, block[None, -size:]):  # the last frame overlaps if the block is not a multiple of a frame
        if part.size:
            peak = np.maximum(peak, np.sqrt(part.var(axis=1, dtype=np.float64).max(axis=0)))
    return peak


class SilenceDetector:
    """The silent seconds of a recording, found block by block; a constant signal is silence too.

    Args:
        rate: of the blocks, in Hz.

    Attributes:
        seconds: pairs of channel and second, each counted from 0.
    """

    def __init__(self, rate: int) -> None:
        self.seconds: set[tuple[int, int]] = set()
        self._constant = True
        self._rate = rate
        self._n_samples = 0
        self._first: npt.NDArray[np.float32] | None = None

    def add(self, block: npt.NDArray[np.float32]) -> None:
        """Search the next block ``(n, channels)``."""
        if self._first is None:
            self._first = block[:1].copy()
        self._constant = self._constant and bool((block == self._first).all())
        while len(block):
            second, offset = divmod(self._n_samples, self._rate)
            piece, block = np.split(block, [self._rate - offset])
            silent = peak_frame_rms(piece, self._rate) <= SILENCE_RMS
            for channel in range(len(silent)):
                if not silent[channel]:
                    self.seconds.discard((channel, second))
                elif not offset:
                    self.seconds.add((channel, second))
            self._n_samples += len(piece)

    @property
    def description(self) -> str:
        """The content of a recording that is silent throughout."""
        if not self._constant:
            return f"nothing above {20 * math.log10(SILENCE_RMS):.0f} dB full scale"
        return "nothing but a constant" if self._first is not None and self._first.any() else "nothing but silence"
