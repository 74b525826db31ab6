"""One writer at a time: a lock file that vanishes when it is released."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pcqtool.errors import LockedError
from pcqtool.files.atomic import reported


@contextmanager
def locked(path: Path, what: str, hint: str) -> Iterator[None]:
    """Hold the lock that a file stands for; that of a process which was killed does not hold.

    Args:
        path: the lock file; missing folders are made.
        what: what to report where another process holds it.
        hint: what to do then.

    Raises:
        LockedError: if another process holds it.
        TableError: if the file cannot be made.
    """
    lock = FileLock(path)
    with reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _acquire(lock, path)
        except Timeout:
            raise LockedError(what, hint) from None
    try:
        yield
    finally:
        try:
            with suppress(OSError):  # Windows removes no open file
                path.unlink()
        finally:
            lock.release()


def _acquire(lock: FileLock, path: Path) -> None:
    """Lock the file that has this name: not one that its holder has removed after it was opened here."""
    while True:
        path.touch()
        with suppress(FileNotFoundError):
            before = path.stat().st_ino
            lock.acquire(timeout=0)
            try:
                if path.stat().st_ino == before:
                    return
            except FileNotFoundError:
                pass
            lock.release()
