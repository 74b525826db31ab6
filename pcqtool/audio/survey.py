"""The look through a recording of several channels that decides its tracks.

It tells a call from one recording on two channels, and finds what must not be mixed: dead channels, which only make the
others quieter, and channels that cancel each other.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pcqtool.audio.channels import Hearing, Track, mixture, single
from pcqtool.audio.decode import open_recording
from pcqtool.audio.loudness import SILENT, loudest

HEAD_S = 60.0  # of sound, on which the channels' likeness is measured
DEAD = 1e-2  # ratio to the loudest channel (-40 dB) up to which a channel is dead: noise, or crosstalk
SAME = 0.95  # correlation from which two channels are one recording
LAG_S = 1e-3  # furthest shift between two channels of one recording: a codec's sample, or 30 cm between microphones
EQUAL = 0.9  # ratio to the loudest channel from which another is as loud: the rounding of samples decides nothing
BAND_HZ = (200, 4000)  # of speech, where cancelling is measured: hum that all channels share hides nothing there
CANCELLED = 0.25  # energy of a mix over that of a mix of unrelated channels (-6 dB), below which they cancel each other


class Survey:
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
        """Tell a two-channel call from one recording on two channels.

        A call's channels are heard each by itself; anything else is heard :meth:`together`: more than two channels; the
        same sound on both (a copy, also scaled, shifted by up to a millisecond or changed by a codec; one speaker
        recorded in stereo); one channel that is dead, which is usual and needs no note.
        """
        if self.n_channels > 2 or self.silent:
            return self.together()
        if self.dead:
            return Hearing(self.together().tracks)
        return self.together() if abs(self.likeness) >= SAME else Hearing((single(0), single(1)))

    def together(self) -> Hearing:
        """Make one track of all channels.

        Those that are not dead are mixed; where mixing would cancel them, as it does where one is another upside down,
        the loudest is heard alone, of equally loud ones the first. Silence on all is mixed.
        """
        dead = self.dead
        live = tuple(number for number in range(self.n_channels) if number not in dead)
        if self._cancels(live):
            alone = int((self.loudness >= EQUAL * self.loudness.max()).argmax())
            return Hearing((single(alone),), f"mixing the channels would cancel them; channel {alone} is heard")
        track = mixture(live)
        return Hearing((track,), _without(dead, track) if dead else None)

    def _cancels(self, live: tuple[int, ...]) -> bool:
        if self.n_channels == 2 and not self.silent and self.likeness <= -SAME:
            return True
        covariance = self._covariance[np.ix_(live, live)]
        return bool(covariance.sum() < CANCELLED * covariance.trace())


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
        seen = Survey(recording.sample_rate, recording.n_channels)
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


def _without(dead: tuple[int, ...], track: Track) -> str:
    n_live = len(track.members)
    who = f"channel {dead[0]} is dead" if len(dead) == 1 else f"channels {', '.join(map(str, dead))} are dead"
    return f"{who}; {f'channel {track.name} is heard' if n_live == 1 else 'the others are mixed'}"
