"""Paths as text."""

from __future__ import annotations

import os
from pathlib import Path


def display_path(path: str | Path) -> str:
    r"""Return a path as text that can be printed and stored: bytes that are not UTF-8 become ``\xNN``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
