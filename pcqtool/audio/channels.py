"""Output channels: how ``auto``, ``mix``, ``split`` or a channel's number turns input channels into mixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pcqtool.errors import AudioError, SettingsError

CHANNEL_MODES = ("auto", "mix", "split")


@dataclass(frozen=True)
class ChannelMix:
    """One output channel: its name in the result table, and the input channels (from 0) that it averages."""

    name: str
    channels: tuple[int, ...]

    def mix(self, block: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Mix a block ``(n, channels)`` down to ``(n,)``."""
        mixed = block[:, self.channels[0]].copy()
        for channel in self.channels[1:]:
            mixed += block[:, channel]
        return mixed if len(self.channels) == 1 else mixed / np.float32(len(self.channels))


@dataclass(frozen=True)
class ChannelPlan:
    """The output channels of a recording.

    Attributes:
        mixes: one, or one per input channel.
        note: why the plan differs from the usual one or from the requested one; None if it does not.
    """

    mixes: tuple[ChannelMix, ...]
    note: str | None = None


def check_channel_mode(mode: str) -> str:
    """Return the mode if it is valid.

    Raises:
        SettingsError: it is neither ``auto``, ``mix``, ``split`` nor a number from 0.
    """
    if mode in CHANNEL_MODES or (mode.isascii() and mode.isdigit()):
        return mode
    raise SettingsError(
        f"channels cannot be {mode!r}", "Use auto, mix, split, or the number of one channel, counted from 0."
    )


def single_channel(number: int) -> ChannelMix:
    """Return the mix that consists of one channel."""
    return ChannelMix(str(number), (number,))


def mix_of(channels: Sequence[int]) -> ChannelMix:
    """Return the mix of several channels; a single channel keeps its own name."""
    return ChannelMix("mix", tuple(channels)) if len(channels) > 1 else single_channel(channels[0])


def mixes_for(mode: str, n_channels: int) -> tuple[ChannelMix, ...]:
    """Return the mixes that a mode means for a number of channels.

    ``auto`` and ``mix`` average all channels. That is right for one channel; the content of several must be analysed
    first, see :func:`pcqtool.audio.call_detection.choose_channels`.

    Raises:
        AudioError: the recording has no channel of that number.
    """
    if mode == "split":
        return tuple(single_channel(number) for number in range(n_channels))
    if mode in CHANNEL_MODES:
        return (mix_of(range(n_channels)),)
    if int(mode) >= n_channels:
        raise AudioError(
            f"has no channel {int(mode)}: it has {n_channels}, counted from 0", "Choose another, or mix or split."
        )
    return (single_channel(int(mode)),)
