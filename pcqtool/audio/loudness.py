"""How loud channels are: what tells a channel with sound on it from a silent or a dead one."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FRAME_S = 0.1  # a channel is as loud as its loudest frame, so that a party who says little is not taken for a dead line
SILENT = 1e-4  # RMS of the loudest frame (-80 dB full scale) up to which a channel is silent


def loudest(block: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float64]:
    """Measure the loudest frame of each channel of a block ``(n, channels)``, without each frame's constant part.

    Args:
        block: the samples.
        rate: of the block, in Hz.

    Shape:
        RMS ``(channels,)``; zeros for a block without samples.
    """
    size = max(1, min(len(block), round(FRAME_S * rate)))
    whole = block[: len(block) // size * size].reshape(-1, size, block.shape[1])
    peak: npt.NDArray[np.float64] = np.zeros(block.shape[1])
    for frames in (whole, block[None, -size:]):  # the last frame overlaps, where they do not come out even
        if frames.size:
            peak = np.maximum(peak, np.sqrt(frames.var(axis=1, dtype=np.float64).max(axis=0)))
    return peak


class Silence:
    """The seconds of a recording in which nothing is heard, gathered block by block; a constant is silence too.

    Args:
        rate: of the blocks, in Hz.

    Attributes:
        seconds: channels and seconds, each counted from 0.
    """

    def __init__(self, rate: int) -> None:
        self.seconds: set[tuple[int, int]] = set()
        self._constant = True
        self._rate = rate
        self._n_seen = 0
        self._first: npt.NDArray[np.float32] | None = None

    def listen(self, block: npt.NDArray[np.float32]) -> None:
        """Take note of where a block ``(n, channels)`` is silent."""
        if self._first is None:
            self._first = block[:1].copy()
        self._constant = self._constant and bool((block == self._first).all())
        while len(block):
            second, offset = divmod(self._n_seen, self._rate)
            piece, block = np.split(block, [self._rate - offset])
            quiet = loudest(piece, self._rate) <= SILENT
            for channel in range(len(quiet)):
                if not quiet[channel]:
                    self.seconds.discard((channel, second))
                elif not offset:
                    self.seconds.add((channel, second))
            self._n_seen += len(piece)

    @property
    def words(self) -> str:
        """What there is where every second is silent."""
        if not self._constant:
            return f"nothing above {20 * math.log10(SILENT):.0f} dB full scale"
        return "nothing but a constant" if self._first is not None and self._first.any() else "nothing but silence"
