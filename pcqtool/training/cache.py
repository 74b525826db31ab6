"""The cache: a folder for what can be computed again, each file named by a hash of what decides its content."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pcqtool.errors import TableError, TrainingError
from pcqtool.tables.atomic import replacing
from pcqtool.tables.paths import at_home

VARIABLE = "PCQTOOL_CACHE"


def cache_folder() -> Path:
    """Give the folder: ``PCQTOOL_CACHE``, or ``pcqtool`` in the user's cache."""
    named = os.environ.get(VARIABLE)
    return at_home(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pcqtool"


@contextmanager
def caching(path: Path, n_bytes: int) -> Iterator[BinaryIO]:
    """Open a file of the cache, which is there once the block has ended well.

    Args:
        path: its place in the folder.
        n_bytes: how large it will be.

    Raises:
        TrainingError: if the folder cannot be written to, or has too little room.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_room(path.parent, n_bytes)
        with replacing(path) as file:
            yield file
    except (OSError, TableError) as error:
        raise TrainingError(
            f"the feature cache {path.parent} cannot be written: {error}", f"Name another folder with {VARIABLE}."
        ) from error


def _check_room(folder: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise TrainingError(
            f"the feature cache needs {n_bytes / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB left",
            f"Name a folder with more room with {VARIABLE}, draw fewer views, or set cache = false in the recipe.",
        )
