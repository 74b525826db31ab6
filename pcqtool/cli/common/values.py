"""What the values of shared options come to: settings, numbers, places."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.cli.common import console, durations
from pcqtool.errors import SettingsError

if TYPE_CHECKING:
    from pcqtool.audio.reader import ReaderOptions
    from pcqtool.model.directory import EncoderSearchPath


def reading(channels: str, vad: str) -> ReaderOptions:
    """Say how recordings are read.

    Raises:
        SettingsError: if a value cannot be used.
    """
    from pcqtool.audio.reader import ReaderOptions

    if vad not in ("on", "off"):
        raise SettingsError(f"--vad is on or off, not {vad!r}")
    return ReaderOptions(channels, vad == "on")


def hearing(channels: str, vad: str, jobs: int, max_duration: str, max_channels: int, timeout: str) -> dict[str, Any]:
    """Give the settings that all runs over recordings have, by their names in ``BatchSettings``.

    Raises:
        SettingsError: if a value cannot be used.
    """
    from pcqtool.audio.limits import Limits

    return {
        "reading": reading(channels, vad),
        "jobs": jobs,
        "limits": Limits(durations.duration_s(max_duration, "--max-duration"), max_channels),
        "timeout_s": durations.duration_s(timeout, "--timeout"),
    }


def batch_size(given: int | None, device: str) -> int:
    """Give the number of segments to compute at once; without one, what suits the first device. Loads torch.

    Raises:
        SettingsError: if this machine has no such device.
    """
    from pcqtool.model.device import choose_devices, default_batch_size

    return given or default_batch_size(choose_devices(device)[0])


def n_jobs(jobs: int) -> int:
    """Give the number of parallel jobs; 0 stands for one a processor core."""
    return jobs or os.cpu_count() or 1


def places(encoder_dir: list[Path] | None, download: bool) -> EncoderSearchPath:
    """Say where to look for an encoder; on the Hub only where the user has asked for the model by its name."""
    from pcqtool.model.directory import EncoderSearchPath

    return EncoderSearchPath(tuple(encoder_dir) if encoder_dir else None, download, console.info)
