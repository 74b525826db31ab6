"""A folder that one run at a time writes into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from pcqtool.files.lock import locked

LOCK = ".lock"


def writing_into(folder: Path) -> AbstractContextManager[None]:
    """Keep other runs away from an ``--out`` folder, which is made if it is missing.

    Raises:
        LockedError, TableError: as ``locked`` does.
    """
    return locked(folder / LOCK, f"{folder}: another run is writing to it", "Wait for it, or name another --out.")


@contextmanager
def claiming(folder: Path) -> Iterator[Callable[[], None]]:
    """Keep other runs away from an ``--out`` folder until the block ends: at once if it is there, else when it is made.

    Yields:
        What makes the folder, once there is something to write: a run that is refused leaves none.

    Raises:
        LockedError, TableError: as ``locked`` does.
    """
    is_ours = False
    with ExitStack() as held:

        def claim() -> None:
            nonlocal is_ours
            if not is_ours:
                held.enter_context(writing_into(folder))
                is_ours = True

        if folder.is_dir():
            claim()
        yield claim
