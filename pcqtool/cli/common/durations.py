"""Times as they are typed: ``90m``, ``24h``, ``7d``, ``2026-01-31``."""

from __future__ import annotations

import re
import time
from datetime import datetime

from pcqtool.errors import SettingsError

LONGEST_D = 36_500
"""Days in a century: what waits for a decoder cannot count three of them."""

_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def duration_s(text: str, option: str) -> float:
    """Compute the seconds of ``90m`` and the like; a number alone is seconds.

    Raises:
        SettingsError: if it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([smhdw]?)", text.strip(), re.ASCII)
    if not found:
        raise SettingsError(f"{option} {text!r} is no length of time", "Write 30s, 90m, 24h or 7d.")
    seconds = float(found[1]) * _UNITS_S[found[2]]
    if seconds > LONGEST_D * _UNITS_S["d"]:
        raise SettingsError(f"{option} {text!r} is too long", f"No more than {LONGEST_D}d.")
    return seconds


def timestamp_s(text: str, option: str) -> float:
    """Compute a moment in seconds since 1970: a length of time ago, or a date in local time or with a zone.

    Raises:
        SettingsError: if it is none.
    """
    try:
        return time.time() - duration_s(text, option)
    except SettingsError:
        pass
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise SettingsError(
            f"{option} {text!r} is no moment", "Write 36h, 7d, 2026-01-31 or 2026-01-31T18:00."
        ) from None
