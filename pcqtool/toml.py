"""TOML files that people write: settings, label maps, recipes."""

from __future__ import annotations

import codecs
import re
import tomllib
from pathlib import Path
from typing import Any

from pcqtool.errors import SettingsError

MAX_BYTES = 2**20
"""Larger than any settings: a recording or an endless device, named by mistake, is an error."""

MAX_DEPTH = 20
"""Of nested tables and lists."""

INT_LIMIT = 2**63
"""Integers in TOML have 64 bits; Python's parser accepts larger ones."""

_NESTED_KEY = re.compile(r"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){32}""")
"""Parsing dotted keys takes time that is quadratic in their depth: minutes for one of a hundred kilobytes."""


def load(path: Path, hint: str = "") -> dict[str, Any]:
    """Read a TOML file, with or without a byte-order mark.

    Args:
        path: a file or a pipe.
        hint: an example of an entry, for the error.

    Raises:
        OSError: it cannot be read.
        SettingsError: it is not UTF-8, not TOML, too large, nested too deeply, or contains too large a number.
    """
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:4]:
        raise SettingsError(f"{path} is UTF-16 or not text", "Save it as UTF-8.")
    if len(raw) > MAX_BYTES:
        raise SettingsError(f"{path} is larger than {MAX_BYTES / 1e6:.0f} MB", "Is it the right file?")
    try:
        text = raw.decode("utf-8-sig")
        if _NESTED_KEY.search(text):
            raise RecursionError
        return _check_limits(tomllib.loads(text))
    except RecursionError as error:
        raise SettingsError(f"{path} is nested too deeply", hint) from error
    except ValueError as error:  # also for numbers with thousands of digits, and for invalid UTF-8
        raise SettingsError(f"{path} is not valid TOML: {error}", hint) from error


def _check_limits(entries: dict[str, Any]) -> dict[str, Any]:
    """Raise the parser's missing errors: ValueError for too large a number, RecursionError for too many levels."""
    pending: list[tuple[object, int]] = [(entries, 0)]
    while pending:
        value, level = pending.pop()
        if level > MAX_DEPTH:
            raise RecursionError
        if isinstance(value, int) and not -INT_LIMIT <= value < INT_LIMIT:
            raise ValueError("a number in it is too large")
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        pending += [(each, level + 1) for each in children]
    return entries
