"""A folder that one run at a time writes into."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from pcqtool.tables.lock import locked

LOCK = ".lock"


def writing_into(folder: Path) -> AbstractContextManager[None]:
    """Keep other runs away from an ``--out`` folder, which is made if it is missing.

    Raises:
        LockedError, TableError: as ``locked`` does.
    """
    return locked(folder / LOCK, f"{folder}: another run is writing to it", "Wait for it, or name another --out.")
