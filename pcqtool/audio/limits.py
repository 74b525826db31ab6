"""Limits of duration and channels: a recording beyond them is damaged, or was made to do harm."""

from __future__ import annotations

from dataclasses import dataclass

from pcqtool.errors import AudioError, SettingsError

TIMEOUT_S = 300.0
"""How long a decoder in another process may produce no output, in seconds, unless a run sets another time."""


@dataclass(frozen=True)
class Limits:
    """Limits beyond which a recording fails, so that the results of the others do not depend on it.

    A few kilobytes of FLAC can contain hours of silence, and a header of 44 bytes a thousand channels.

    Attributes:
        max_duration_s: longest recording.
        max_channels: most channels.

    Raises:
        SettingsError: a limit is not positive.
    """

    max_duration_s: float = 24 * 3600.0
    max_channels: int = 64

    def __post_init__(self) -> None:
        if not (self.max_duration_s > 0 and self.max_channels > 0):
            raise SettingsError("limits of duration and channels must be positive")

    def check_channels(self, n_channels: int) -> None:
        """Raise an ``AudioError`` if there are too many channels."""
        if n_channels > self.max_channels:
            raise AudioError(
                f"has {n_channels} channels, more than the limit of {self.max_channels}",
                "If it really has so many, raise --max-channels.",
            )

    def check_duration(self, duration_s: float) -> None:
        """Raise an ``AudioError`` if too much has been decoded."""
        if duration_s > self.max_duration_s:
            raise AudioError(
                f"is longer than the limit of {self.max_duration_s / 3600:g} h",
                "If it really is that long, raise --max-duration.",
            )
