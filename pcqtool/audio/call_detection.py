"""Whether a two-channel recording is a call, and which channels can be mixed.

This is the only place that decides the output channels of a recording, for result tables and corpora alike. The two
channels of a call are separate parties. Dead channels are not mixed, since they only make the others quieter, nor are
channels that cancel each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from pcqtool.audio.channels import ChannelPlan, mix_of, mixes_for, single_channel
from pcqtool.audio.decoding.recording import Recording, open_recording
from pcqtool.audio.loudness import SILENCE_RMS, peak_frame_rms
from pcqtool.errors import AudioError
from pcqtool.files.display import display_path

CHANNEL_PLAN_VERSION = 2  # raise it when the same channels of the same recording lead to another plan
ANALYSED_S = 60.0  # duration of non-silent audio on which the channels are compared
DEAD_RATIO = 1e-2  # ratio to the loudest channel (-40 dB) up to which a channel is dead: noise, or crosstalk
SAME_SIGNAL = 0.95  # correlation from which two channels are one recording
LAG_S = 1e-3  # largest shift between two channels of one recording: a codec's sample, or 30 cm between microphones
EQUALLY_LOUD = 0.9  # ratio to the loudest channel from which another is as loud: rounding of samples must not decide
BAND_HZ = (200, 4000)  # speech band, where cancellation is measured: hum shared by all channels must not hide it
CANCELLED = 0.25  # energy of a mix relative to that of unrelated channels (-6 dB), below which channels cancel
_CACHE_SIZE = 1 << 14  # recordings of several channels, about a kilobyte each


class _CachedPlan:
    """The plan of one recording: a corpus may list a thousand excerpts of it, and have many threads read them."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.plan: ChannelPlan | None = None


_cache_lock = Lock()


@lru_cache(_CACHE_SIZE)
def _cached_plan(*_: object) -> _CachedPlan:
    return _CachedPlan()


def choose_channels(recording: Recording, mode: str, max_s: float = math.inf) -> ChannelPlan:
    """Decide which output channels a recording has.

    Several channels are analysed if they are to be mixed, once per process: the whole file decides, whichever excerpt
    of it is wanted.

    Args:
        recording: open; its position does not change.
        mode: ``auto``, ``mix``, ``split`` or the number of one channel.
        max_s: how much of it to analyse at most.

    Raises:
        AudioError: it has no channel of that number, or cannot be read.
    """
    if recording.n_channels > 1 and mode in ("auto", "mix"):
        return _analyse_once(recording.path, mode == "auto", max_s)
    try:
        return ChannelPlan(mixes_for(mode, recording.n_channels))
    except AudioError as error:
        raise AudioError(f"{display_path(recording.path)}: {error.what}", error.hint) from error


def _analyse_once(path: Path, split_calls: bool, max_s: float) -> ChannelPlan:
    try:
        stat = path.stat()
    except OSError:
        return analyse_channels(path, split_calls, max_s)  # which raises the right error
    with _cache_lock:
        cached = _cached_plan(path, split_calls, max_s, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    with cached.lock:
        if cached.plan is None:
            cached.plan = analyse_channels(path, split_calls, max_s)
        return cached.plan


def analyse_channels(path: Path, split_calls: bool = True, max_s: float = math.inf) -> ChannelPlan:
    """Decide the output channels of a multi-channel recording from its first minute of non-silent audio.

    The rest is decoded only if that minute contains a dead channel: a party who joins late must not be lost.

    Args:
        path: any recording.
        split_calls: whether the two channels of a call become two output channels.
        max_s: how much of the recording to decode at most.

    Raises:
        AudioError: the file cannot be read.
    """
    with open_recording(path) as recording:
        stats = ChannelStats(recording.sample_rate, recording.n_channels)
        n_compared = 0
        blocks = recording.blocks()
        for block in blocks:
            stats.add_loudness(block)
            if not stats.silent:
                stats.add_spectra(block)
                n_compared += len(block)
            if n_compared >= ANALYSED_S * recording.sample_rate or recording.n_frames > max_s * recording.sample_rate:
                break
        if dead := stats.dead:
            for block in blocks:
                stats.add_loudness(block)
                if recording.n_frames > max_s * recording.sample_rate:
                    break
            if stats.dead != dead:  # the spectra do not describe a channel that was not there yet
                stats.reset_spectra()
        return stats.split_if_call() if split_calls else stats.mix()


class ChannelStats:
    """Loudness, spectra and correlation of a recording's channels, accumulated block by block.

    Args:
        rate: of the blocks, in Hz.
        n_channels: of the blocks, two or more.

    Attributes:
        loudness: ``(n_channels,)``, RMS of each channel's loudest frame.
    """

    def __init__(self, rate: int, n_channels: int = 2) -> None:
        self.n_channels = n_channels
        self.loudness = np.zeros(n_channels)
        self._rate = rate
        self.reset_spectra()

    def reset_spectra(self) -> None:
        """Discard what :meth:`add_spectra` has accumulated."""
        self._cross = np.zeros(self._rate // 2 + 1, np.complex128)
        self._energy = np.zeros(2)
        self._covariance = np.zeros((self.n_channels, self.n_channels))

    def add_loudness(self, block: npt.NDArray[np.float32]) -> None:
        """Measure the loudness of a block ``(n, n_channels)``."""
        self.loudness = np.maximum(self.loudness, peak_frame_rms(block, self._rate))

    def add_spectra(self, block: npt.NDArray[np.float32]) -> None:
        """Add a block ``(n, n_channels)`` to the cross-spectra, one second at a time."""
        for first in range(0, len(block), self._rate):
            spectra = np.fft.rfft(block[first : first + self._rate], self._rate, axis=0)
            spectra[0] = 0  # the constant part
            speech = spectra[slice(*BAND_HZ)]
            self._covariance += (speech.conj().T @ speech).real
            self._cross += spectra[:, 0] * spectra[:, 1].conj()
            self._energy += (np.abs(spectra[:, :2]) ** 2).sum(axis=0) * 2 / self._rate

    @property
    def correlation(self) -> float:
        """The normalised correlation of two channels, -1 to 1, at the shift within 1 ms where it is strongest."""
        lag = max(1, round(LAG_S * self._rate))
        correlation = np.fft.irfft(self._cross, self._rate)
        near = np.concatenate((correlation[: lag + 1], correlation[-lag:]))
        return float(near[np.abs(near).argmax()] / max(np.sqrt(self._energy.prod()), 1e-30))

    @property
    def silent(self) -> bool:
        """Whether all channels are silent."""
        return bool(self.loudness.max() <= SILENCE_RMS)

    @property
    def dead(self) -> tuple[int, ...]:
        """The channels that are silent, constant, or 40 dB below the loudest; empty if all channels are silent."""
        if self.silent:
            return ()
        return tuple(np.flatnonzero(self.loudness <= max(SILENCE_RMS, DEAD_RATIO * self.loudness.max())).tolist())

    def split_if_call(self) -> ChannelPlan:
        """Return two output channels for a two-channel call, and :meth:`mix` for everything else.

        Everything else is: more than two channels; the same signal on both (a copy, also scaled, shifted by up to a
        millisecond or changed by a codec; one speaker recorded in stereo); one channel that is dead, which needs no
        note if it is silent.
        """
        if self.n_channels > 2 or self.silent:
            return self.mix()
        if self.dead:
            (dead,) = self.dead
            faint = f"channel {dead} is at least 40 dB fainter, and treated as dead"
            return ChannelPlan(self.mix().mixes, faint if self.loudness[dead] > SILENCE_RMS else None)
        if abs(self.correlation) >= SAME_SIGNAL:
            return self.mix()
        return ChannelPlan((single_channel(0), single_channel(1)))

    def mix(self) -> ChannelPlan:
        """Return one output channel for all input channels.

        Live channels are mixed. If one is the inverse of another, one channel of each signal is used: the loudest, or
        the first of equally loud ones. If even this mix would cancel itself, only the loudest channel is used. If all
        channels are silent, all are mixed.
        """
        dead = self.dead
        live = [number for number in range(self.n_channels) if number not in dead]
        kept = self._one_of_each(live) if self._correlations()[np.ix_(live, live)].min() <= -SAME_SIGNAL else live
        covariance = self._covariance[np.ix_(kept, kept)]
        if covariance.sum() < CANCELLED * covariance.trace():
            kept = [self._loudest(kept)]
        if len(kept) == self.n_channels:
            return ChannelPlan((mix_of(kept),))
        why = f"{_named(dead)} dead" if kept == live else "mixing the channels would cancel them"
        return ChannelPlan((mix_of(kept),), f"{why}; {_named(kept)} {'used' if len(kept) == 1 else 'mixed'}")

    def _loudest(self, numbers: Sequence[int]) -> int:
        loudness = self.loudness[list(numbers)]
        return numbers[int((loudness >= EQUALLY_LOUD * loudness.max()).argmax())]

    def _one_of_each(self, numbers: list[int]) -> list[int]:
        """Choose one of all channels with the same signal, of either polarity."""
        correlations, kept = self._correlations(), []
        while numbers:
            kept.append(self._loudest(numbers))
            numbers = [n for n in numbers if n != kept[-1] and abs(correlations[n, kept[-1]]) < SAME_SIGNAL]
        return sorted(kept)

    def _correlations(self) -> npt.NDArray[np.float64]:
        """Correlate all channels in the speech band, ``(n_channels, n_channels)``; two channels also when shifted."""
        if self.n_channels == 2 and self.correlation <= -SAME_SIGNAL:
            return 2 * np.eye(2) - 1
        scale = np.sqrt(self._covariance.diagonal())
        correlations: npt.NDArray[np.float64] = self._covariance / np.maximum(np.outer(scale, scale), 1e-30)
        return correlations


def _named(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"channel {numbers[0]} is"
    return f"channels {', '.join(map(str, numbers))} are"
