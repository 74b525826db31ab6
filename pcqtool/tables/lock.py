"""One process at a time in a folder, by a lock that ends with its process and leaves no file behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pcqtool.errors import LockedError
from pcqtool.tables.atomic import reported

LOCK = ".lock"


def writing_into(folder: Path) -> AbstractContextManager[None]:
    """Keep other runs away from an ``--out`` folder.

    Raises:
        LockedError, TableError: as ``locked`` does.
    """
    return locked(folder / LOCK, f"{folder}: another run is writing to it", "Wait for it, or name another --out.")


@contextmanager
def locked(path: Path, what: str, hint: str) -> Iterator[None]:
    """Hold a lock file while the block runs; the lock of a process that was killed does not hold.

    Args:
        path: the lock file; its folder is made if it is missing, and then removed if nothing is written into it.
        what: the error's text if another process holds it.
        hint: what to do then.

    Raises:
        LockedError: if another process holds it.
        TableError: if the file system refuses.
    """
    made = not path.parent.exists()
    with reported(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise LockedError(what, hint) from None
    try:
        yield
    finally:
        # While the lock is held: filelock takes no lock on a file that has lost its name, so two processes cannot
        # hold the old file and a new one. Windows removes no open file, but filelock does so itself there.
        with suppress(OSError):
            path.unlink()
        lock.release()
        if made:  # by a run that came to nothing
            with suppress(OSError):
                path.parent.rmdir()
