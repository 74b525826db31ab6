"""The look through a recording of several channels that decides its tracks.

It tells a call from one recording on two channels, and finds what must not be mixed: dead channels, which only make the
others quieter, and channels that cancel each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pcqtool.audio.channels import Hearing, mixture, single
from pcqtool.audio.decoding.recording import open_recording
from pcqtool.audio.loudness import SILENT, loudest

HEAD_S = 60.0  # of sound, on which the channels' likeness is measured
DEAD = 1e-2  # ratio to the loudest channel (-40 dB) up to which a channel is dead: noise, or crosstalk
SAME = 0.95  # correlation from which two channels are one recording
LAG_S = 1e-3  # furthest shift between two channels of one recording: a codec's sample, or 30 cm between microphones
EQUAL = 0.9  # ratio to the loudest channel from which another is as loud: the rounding of samples decides nothing
BAND_HZ = (200, 4000)  # of speech, where cancelling is measured: hum that all channels share hides nothing there
CANCELLED = 0.25  # energy of a mix over that of a mix of unrelated channels (-6 dB), below which they cancel each other


class StereoStats:
    """What a recording's channels have to do with each other, gathered block by block.

    Args:
        rate: of the blocks, in Hz.
        n_channels: of the blocks, two or more.

    Attributes:
        loudness: ``(n_channels,)``, RMS of each one's loudest frame.
    """

    def __init__(self, rate: int, n_channels: int = 2) -> None:
        self.n_channels = n_channels
        self.loudness = np.zeros(n_channels)
        self._rate = rate
        self.forget()

    def forget(self) -> None:
        """Forget what :meth:`compare` was shown."""
        self._cross = np.zeros(self._rate // 2 + 1, np.complex128)
        self._energy = np.zeros(2)
        self._covariance = np.zeros((self.n_channels, self.n_channels))

    def listen(self, block: npt.NDArray[np.float32]) -> None:
        """Take note of how loud a block ``(n, n_channels)`` is."""
        self.loudness = np.maximum(self.loudness, loudest(block, self._rate))

    def compare(self, block: npt.NDArray[np.float32]) -> None:
        """Add a block ``(n, n_channels)`` to the cross-spectra, a second at a time."""
        for first in range(0, len(block), self._rate):
            spectra = np.fft.rfft(block[first : first + self._rate], self._rate, axis=0)
            spectra[0] = 0  # the constant part
            speech = spectra[slice(*BAND_HZ)]
            self._covariance += (speech.conj().T @ speech).real
            self._cross += spectra[:, 0] * spectra[:, 1].conj()
            self._energy += (np.abs(spectra[:, :2]) ** 2).sum(axis=0) * 2 / self._rate

    @property
    def likeness(self) -> float:
        """Two channels' normalised correlation, -1 to 1, at the shift within a millisecond where it is strongest."""
        lag = max(1, round(LAG_S * self._rate))
        correlation = np.fft.irfft(self._cross, self._rate)
        near = np.concatenate((correlation[: lag + 1], correlation[-lag:]))
        return float(near[np.abs(near).argmax()] / max(np.sqrt(self._energy.prod()), 1e-30))

    @property
    def silent(self) -> bool:
        """Whether there is nothing on any channel."""
        return bool(self.loudness.max() <= SILENT)

    @property
    def dead(self) -> tuple[int, ...]:
        """The channels that are silent, constant, or 40 dB below the loudest; none where all are silent."""
        if self.silent:
            return ()
        return tuple(np.flatnonzero(self.loudness <= max(SILENT, DEAD * self.loudness.max())).tolist())

    def apart(self) -> Hearing:
        """Distinguish a two-channel call from one recording on two channels.

        A call's channels are heard each by itself; anything else is heard :meth:`together`: more than two channels; the
        same sound on both (a copy, also scaled, shifted by up to a millisecond or changed by a codec; one speaker
        recorded in stereo); one channel that is dead, which needs no note where it is silent.
        """
        if self.n_channels > 2 or self.silent:
            return self.together()
        if self.dead:
            (other,) = self.dead
            faint = f"channel {other} is 40 dB fainter or more, and taken for dead"
            return Hearing(self.together().tracks, faint if self.loudness[other] > SILENT else None)
        return self.together() if abs(self.likeness) >= SAME else Hearing((single(0), single(1)))

    def together(self) -> Hearing:
        """Make one track of all channels.

        Those that are not dead are mixed. Where one is another upside down, one channel of each sound is taken, the
        loudest, or of equally loud ones the first; where a mix would cancel itself all the same, the loudest channel.
        Silence on all is mixed.
        """
        dead = self.dead
        live = [number for number in range(self.n_channels) if number not in dead]
        kept = self._one_of_each(live) if self._relations()[np.ix_(live, live)].min() <= -SAME else live
        covariance = self._covariance[np.ix_(kept, kept)]
        if covariance.sum() < CANCELLED * covariance.trace():
            kept = [self._loudest(kept)]
        if len(kept) == self.n_channels:
            return Hearing((mixture(kept),))
        why = f"{_named(dead)} dead" if kept == live else "mixing the channels would cancel them"
        return Hearing((mixture(kept),), f"{why}; {_named(kept)} {'heard' if len(kept) == 1 else 'mixed'}")

    def _loudest(self, numbers: Sequence[int]) -> int:
        loudness = self.loudness[list(numbers)]
        return numbers[int((loudness >= EQUAL * loudness.max()).argmax())]

    def _one_of_each(self, numbers: list[int]) -> list[int]:
        """Choose one of all channels with the same sound, either way up."""
        relations, kept = self._relations(), []
        while numbers:
            kept.append(self._loudest(numbers))
            numbers = [each for each in numbers if each != kept[-1] and abs(relations[each, kept[-1]]) < SAME]
        return sorted(kept)

    def _relations(self) -> npt.NDArray[np.float64]:
        """Correlate all channels in the band of speech, ``(n_channels, n_channels)``; of a pair, also when shifted."""
        if self.n_channels == 2 and self.likeness <= -SAME:
            return 2 * np.eye(2) - 1
        scale = np.sqrt(self._covariance.diagonal())
        relations: npt.NDArray[np.float64] = self._covariance / np.maximum(np.outer(scale, scale), 1e-30)
        return relations


def survey(path: Path, apart: bool = True, most_s: float = math.inf) -> Hearing:
    """Decide the tracks of a recording of several channels from the first minute in which there is sound.

    Only where that minute calls a channel dead, the rest is decoded too: a party who joins late is not lost.

    Args:
        path: any recording.
        apart: whether a call's two channels are heard each by itself.
        most_s: how much of the recording to decode at most.

    Raises:
        AudioError: the file cannot be read.
    """
    with open_recording(path) as recording:
        seen = StereoStats(recording.sample_rate, recording.n_channels)
        n_compared = 0
        blocks = recording.blocks()
        for block in blocks:
            seen.listen(block)
            if not seen.silent:
                seen.compare(block)
                n_compared += len(block)
            if n_compared >= HEAD_S * recording.sample_rate or recording.n_frames > most_s * recording.sample_rate:
                break
        if dead := seen.dead:
            for block in blocks:
                seen.listen(block)
                if recording.n_frames > most_s * recording.sample_rate:
                    break
            if seen.dead != dead:  # what was compared says nothing of a channel that was not there yet
                seen.forget()
        return seen.apart() if apart else seen.together()


def _named(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"channel {numbers[0]} is"
    return f"channels {', '.join(map(str, numbers))} are"
