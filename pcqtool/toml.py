"""TOML files that users write: settings, recipes, label maps."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

MOST_LEVELS = 20  # of tables and lists inside each other
LARGEST = 2**63  # whole numbers of TOML have 64 bits


def read_toml(path: Path) -> dict[str, Any]:
    """Read a file in UTF-8, with or without byte-order mark.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no TOML, or no text at all, is nested too deep, or has a number that is too large.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    todo: list[tuple[object, int]] = [(entries, 0)]
    while todo:
        value, level = todo.pop()
        if level > MOST_LEVELS:
            raise ValueError("it is nested too deep")
        if isinstance(value, int) and not -LARGEST <= value < LARGEST:
            raise ValueError("a number in it is too large")
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        todo += [(each, level + 1) for each in inside]
    return entries
