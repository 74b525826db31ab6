"""TOML files that people write: settings, label maps, recipes."""

from __future__ import annotations

import codecs
import re
import tomllib
from pathlib import Path
from typing import Any

from pcqtool.errors import SettingsError

MOST_BYTES = 2**20
"""Larger than any settings; whoever names a recording, or a device without end, by mistake is told so."""

MOST_LEVELS = 20
"""Of tables and lists inside each other."""

LARGEST = 2**63
"""Whole numbers of TOML have 64 bits; Python reads any."""

_DEEP_KEY = re.compile(r"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){32}""")
"""Dotted keys take time that grows with the square of their depth: minutes for one of a hundred kilobytes."""


def load(path: Path, hint: str = "") -> dict[str, Any]:
    """Read a TOML file, with or without a byte-order mark.

    Args:
        path: the file; a pipe will do.
        hint: what an entry reads like, for the error.

    Raises:
        OSError: if it cannot be read.
        SettingsError: if it is not UTF-8, not TOML, too large, nested too deep, or has too large a number.
    """
    with path.open("rb") as file:
        raw = file.read(MOST_BYTES + 1)
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:4]:
        raise SettingsError(f"{path} is in UTF-16, or no text at all", "Save it in the encoding UTF-8.")
    if len(raw) > MOST_BYTES:
        raise SettingsError(f"{path} is larger than {MOST_BYTES / 1e6:.0f} MB", "Is it the right file?")
    try:
        text = raw.decode("utf-8-sig")
        if _DEEP_KEY.search(text):
            raise RecursionError
        return _checked(tomllib.loads(text))
    except RecursionError as error:
        raise SettingsError(f"{path} is nested too deep", hint) from error
    except ValueError as error:  # also of a number with thousands of digits, and of what is not UTF-8
        raise SettingsError(f"{path} is not valid TOML: {error}", hint) from error


def _checked(entries: dict[str, Any]) -> dict[str, Any]:
    """Raise what the parser should have: a ValueError at a number too large, a RecursionError at too many levels."""
    todo: list[tuple[object, int]] = [(entries, 0)]
    while todo:
        value, level = todo.pop()
        if level > MOST_LEVELS:
            raise RecursionError
        if isinstance(value, int) and not -LARGEST <= value < LARGEST:
            raise ValueError("a number in it is too large")
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        todo += [(each, level + 1) for each in inside]
    return entries
