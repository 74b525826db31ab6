"""Locks: one run at a time writes to an output; the lock file vanishes when the lock is released."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pcqtool.errors import LockedError
from pcqtool.files.atomic import reported

LOCK_FILE = ".lock"
"""Name of the lock file in a folder."""


@contextmanager
def locked(path: Path, what: str, hint: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a lock; the lock of a killed process does not hold.

    Args:
        path: the lock file; missing folders are created.
        what: text of the error if another process holds the lock.
        hint: its hint.
        wait_s: how long to wait for another process.

    Raises:
        FileError: if the lock file cannot be created.
        LockedError: if another process holds the lock.
    """
    lock = FileLock(path)
    with reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _acquire(lock, path, wait_s)
        except Timeout:
            raise LockedError(what, hint) from None
    try:
        yield
    finally:
        try:
            with suppress(OSError):  # Windows does not remove open files
                path.unlink()
        finally:
            lock.release()


def lock_folder(folder: Path) -> AbstractContextManager[None]:
    """Keep other runs out of an ``--out`` folder, which is created if it is missing.

    Raises:
        FileError, LockedError: as ``locked``.
    """
    return locked(folder / LOCK_FILE, f"{folder}: another run is writing to it", "Wait for it, or name another --out.")


@contextmanager
def claim_folder(folder: Path) -> Iterator[Callable[[], None]]:
    """Keep other runs out of an ``--out`` folder until the block ends; an existing folder is locked immediately.

    Yields:
        A function that creates and locks a missing folder. Call it before the first file is written: a run that is
        refused before leaves no folder.

    Raises:
        FileError, LockedError: as ``locked``.
    """
    is_ours = False
    with ExitStack() as held:

        def claim() -> None:
            nonlocal is_ours
            if not is_ours:
                held.enter_context(lock_folder(folder))
                is_ours = True

        if folder.is_dir():
            claim()
        yield claim


def _acquire(lock: FileLock, path: Path, wait_s: float) -> None:
    """Lock the file that has this name now, not one that another process has removed since it was opened here."""
    while True:
        path.touch()
        with suppress(FileNotFoundError):
            before = path.stat().st_ino
            lock.acquire(timeout=wait_s)
            try:
                if path.stat().st_ino == before:
                    return
            except FileNotFoundError:
                pass
            lock.release()
