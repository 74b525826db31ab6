"""Which of a recording's channels become tracks of their own: ``mix``, ``split``, ``auto`` or one channel's number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pcqtool.errors import AudioError, SettingsError

MODES = ("auto", "mix", "split")


@dataclass(frozen=True)
class ChannelMix:
    """One output track: its name in the result table, and the channels (numbered from 0) whose mean it is."""

    name: str
    members: tuple[int, ...]

    def of(self, block: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Mix a block ``(n, channels)`` down to this track ``(n,)``."""
        mixed = block[:, self.members[0]].copy()
        for member in self.members[1:]:
            mixed += block[:, member]
        return mixed if len(self.members) == 1 else mixed / np.float32(len(self.members))


@dataclass(frozen=True)
class Hearing:
    """How a recording is heard.

    Attributes:
        tracks: one, or one a channel.
        note: what to know of it, where it is not the usual way or not what was asked for; None if nothing.
    """

    tracks: tuple[ChannelMix, ...]
    note: str | None = None


def check_mode(mode: str) -> str:
    """Return the mode if it is one.

    Raises:
        SettingsError: it is neither ``auto``, ``mix``, ``split`` nor a number from 0.
    """
    if mode in MODES or (mode.isascii() and mode.isdigit()):
        return mode
    raise SettingsError(
        f"channels cannot be {mode!r}", "Use auto, mix, split, or the number of one channel, counted from 0."
    )


def single(number: int) -> ChannelMix:
    """The track that is one channel."""
    return ChannelMix(str(number), (number,))


def mixture(members: Sequence[int]) -> ChannelMix:
    """The track that is these channels mixed; of one channel, that channel."""
    return ChannelMix("mix", tuple(members)) if len(members) > 1 else single(members[0])


def tracks_of(mode: str, n_channels: int) -> tuple[ChannelMix, ...]:
    """Decide which tracks a recording has, from its number of channels alone.

    ``auto`` and ``mix`` are all channels mixed: right for one, while what several hold is to be looked at first, see
    :func:`pcqtool.audio.channel_choice.hear`.

    Raises:
        AudioError: the recording has no channel of that number.
    """
    if mode == "split":
        return tuple(single(number) for number in range(n_channels))
    if mode in MODES:
        return (mixture(range(n_channels)),)
    if int(mode) >= n_channels:
        raise AudioError(
            f"has no channel {int(mode)}: it has {n_channels}, counted from 0", "Choose another, or mix or split."
        )
    return (single(int(mode)),)
