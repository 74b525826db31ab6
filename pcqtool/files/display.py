"""Paths as users type and read them."""

from __future__ import annotations

import os
from pathlib import Path


def display_path(path: str | Path) -> str:
    r"""Return a path as text that can be printed and stored: bytes that are not UTF-8 become ``\xNN``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def expand_home(path: str | Path) -> Path:
    """Expand a leading ``~`` or ``~user`` as a shell does: an unknown user is left unchanged."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (Path.expanduser raises an error instead)
