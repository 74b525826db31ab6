"""The look through a two-channel recording that decides its tracks: a call, one recording twice, or a dead channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pcqtool.audio.channels import Track, mixture, single
from pcqtool.audio.decode import open_recording

HEAD_S = 60.0  # of sound, on which the channels' likeness is measured
FRAME_S = 0.1  # a channel is as loud as its loudest frame, so that a party who says little is not taken for a dead line
SILENT = 1e-4  # RMS of the loudest frame (-80 dB full scale) up to which a channel is silent
DEAD = 1e-2  # its ratio to the other channel's (-40 dB) up to which a channel is dead: noise, or crosstalk
SAME = 0.95  # correlation from which two channels are one recording
LAG_S = 1e-3  # furthest shift between two channels of one recording: a codec's sample, or 30 cm between microphones


class Pair:
    """What two channels have to do with each other, gathered block by block.

    Args:
        rate: of the blocks, in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._cross = np.zeros(rate // 2 + 1, np.complex128)
        self._energy = np.zeros(2)
        self.loudness = np.zeros(2)

    def listen(self, block: npt.NDArray[np.float32]) -> None:
        """Take note of how loud a block ``(n, 2)`` is."""
        size = max(1, min(len(block), round(FRAME_S * self._rate)))
        frames = block[: len(block) // size * size].reshape(-1, size, 2)
        if len(frames):  # without each frame's constant part
            self.loudness = np.maximum(self.loudness, np.sqrt(frames.var(axis=1, dtype=np.float64).max(axis=0)))

    def compare(self, block: npt.NDArray[np.float32]) -> None:
        """Add a block ``(n, 2)`` to the cross-spectrum, a second at a time."""
        for first in range(0, len(block), self._rate):
            spectra = np.fft.rfft(block[first : first + self._rate], self._rate, axis=0)
            spectra[0] = 0  # the constant part
            self._cross += spectra[:, 0] * spectra[:, 1].conj()
            self._energy += (np.abs(spectra) ** 2).sum(axis=0) * 2 / self._rate

    @property
    def likeness(self) -> float:
        """The normalised correlation, -1 to 1, at the shift within a millisecond where it is strongest."""
        lag = max(1, round(LAG_S * self._rate))
        correlation = np.fft.irfft(self._cross, self._rate)
        near = np.concatenate((correlation[: lag + 1], correlation[-lag:]))
        return float(near[np.abs(near).argmax()] / max(np.sqrt(self._energy.prod()), 1e-30))

    @property
    def silent(self) -> bool:
        """Whether there is nothing on both."""
        return bool(self.loudness.max() <= SILENT)

    @property
    def dead(self) -> bool:
        """Whether there is something on one of them alone."""
        return not self.silent and bool(self.loudness.min() <= max(SILENT, DEAD * self.loudness.max()))

    def tracks(self) -> tuple[Track, ...]:
        """Tell a two-channel call from one recording on two channels.

        - one channel silent, constant, or 40 dB below the other: the live one alone;
        - the same sound on both (a copy, also scaled, shifted by up to a millisecond or changed by a codec; one
          speaker recorded in stereo): both mixed, or, where one is the other upside down so that mixing would cancel
          it, the louder alone;
        - else a call: each channel by itself. Silence on both is mixed.
        """
        louder = single(int(self.loudness.argmax()))
        if self.dead or (not self.silent and self.likeness <= -SAME):
            return (louder,)
        if self.silent or self.likeness >= SAME:
            return (mixture(2),)
        return (single(0), single(1))


def survey(path: Path) -> tuple[Track, ...]:
    """Decide the tracks of a two-channel recording from the first minute in which there is sound.

    Only where that minute calls a channel dead, the rest is decoded too: a party who joins late is not lost.

    Raises:
        AudioError: the file cannot be read.
    """
    with open_recording(path) as recording:
        pair = Pair(recording.sample_rate)
        n_compared = 0
        blocks = recording.blocks()
        for block in blocks:
            pair.listen(block)
            if not pair.silent:
                pair.compare(block)
                n_compared += len(block)
            if n_compared >= HEAD_S * recording.sample_rate:
                break
        tracks = pair.tracks()
        if not pair.dead:
            return tracks
        for block in blocks:
            pair.listen(block)
        return tracks if pair.dead else (single(0), single(1))
