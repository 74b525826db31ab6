"""Durations and times as people type them: ``90m``, ``24h``, ``7d``, ``2026-01-31``."""

from __future__ import annotations

import re
import time
from datetime import datetime

import typer

LONGEST_D = 36_500
"""A century: decoder processes cannot wait for much longer."""

_UNITS_S = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1, "": 1}


def duration_s(value: str | float) -> float:
    """Return a duration such as ``90m`` in seconds; a bare number is in seconds.

    Raises:
        typer.BadParameter: if it is not a valid duration.

    Examples:
        >>> duration_s("90m")
        5400.0
    """
    if not isinstance(value, str):  # a default
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([smhdw]?)", value.strip(), re.ASCII)
    if not found:
        raise typer.BadParameter(f"{value!r} is not a valid duration. Write 30s, 90m, 24h or 7d.")
    seconds = float(found[1]) * _UNITS_S[found[2]]
    if seconds > LONGEST_D * _UNITS_S["d"]:
        raise typer.BadParameter(f"{value!r} is too long; the longest duration is {LONGEST_D}d.")
    return seconds


def duration_text(seconds: float) -> str:
    """Return a duration as ``duration_s`` reads it, in the largest unit that divides it.

    Examples:
        >>> duration_text(86400.0 / 2)
        '12h'
    """
    unit = next(unit for unit in ("h", "m", "s") if seconds % _UNITS_S[unit] == 0 or unit == "s")
    return f"{seconds / _UNITS_S[unit]:.15g}{unit}"


def timestamp_s(value: str) -> float:
    """Return a point in time in seconds since 1970: a duration before now, or a date in local time or with a zone.

    Raises:
        typer.BadParameter: if it is neither.
    """
    try:
        return time.time() - duration_s(value)
    except typer.BadParameter:
        pass
    try:
        return datetime.fromisoformat(value.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(
            f"{value!r} is not a valid time. Write 36h, 7d, 2026-01-31 or 2026-01-31T18:00."
        ) from None
