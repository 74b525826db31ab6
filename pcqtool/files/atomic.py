"""Atomic writing: a file is written under another name, synced and renamed, so it appears whole or not at all."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pcqtool.errors import FileError

TEMPORARY_SUFFIX = ".tmp"
"""End of a temporary file's name, which also begins with a dot, so that no pattern for tables matches it."""

NAME_KEPT = 40
"""Characters of the final name that a temporary file's name contains; it must not become too long."""

_ELSEWHERE = "choose another place with --out."
_A_FILE = f"A part of the path is a file: {_ELSEWHERE}"
_NO_RIGHT = f"Ask for write permission, or {_ELSEWHERE}"
_IN_USE = f"Another program uses it: end that, or {_ELSEWHERE}"

HINTS = {
    errno.ENOSPC: f"Free some space, or {_ELSEWHERE}",
    errno.EDQUOT: f"Your quota is used up: free some space, or {_ELSEWHERE}",
    errno.EFBIG: "The file system or a limit of the process (ulimit -f) allows no larger file.",
    errno.EROFS: "Choose a place that can be written to with --out.",
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EISDIR: "A directory has this name: choose another name with --out.",
    errno.ENOTDIR: _A_FILE,
    errno.EEXIST: _A_FILE,
    errno.ENAMETOOLONG: "Choose a shorter name with --out.",
    errno.ENOENT: f"The folder is gone, or its file system (/proc, say) takes no new files: {_ELSEWHERE}",
    errno.EINVAL: f"The file system does not take such a name or such a file: {_ELSEWHERE}",
    errno.ENOTSUP: f"The file system cannot do this: {_ELSEWHERE}",
    errno.EXDEV: f"The file system cannot do this: {_ELSEWHERE}",
    errno.ELOOP: f"Symbolic links in this path form a loop: {_ELSEWHERE}",
    errno.EIO: f"The disk or the network failed: see the system's log, then run again, or {_ELSEWHERE}",
    errno.ENXIO: f"No device answers there: {_ELSEWHERE}",
    errno.ENODEV: f"No device answers there: {_ELSEWHERE}",
    errno.ESTALE: f"The network file system was remounted or the folder removed: run again, or {_ELSEWHERE}",
    errno.ETIMEDOUT: f"The network file system does not answer: run again, or {_ELSEWHERE}",
    errno.EBUSY: _IN_USE,
    errno.ETXTBSY: _IN_USE,
    errno.EMFILE: "The process may open no more files: raise the limit (ulimit -n), or lower --jobs.",
    errno.ENFILE: "The machine has too many files open: run again later.",
    errno.ENOMEM: "The machine is out of memory: close other programs, or lower --jobs.",
}


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that replaces ``path`` when the block ends without an error, and vanishes otherwise.

    Missing folders are created. If ``path`` is a symbolic link, its target is replaced; directories, pipes and devices
    are refused. Only a killed process leaves its temporary file behind, under a name that no table has.

    Raises:
        FileError: if the file system refuses.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:NAME_KEPT]}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    with reported(path):
        _check_replaceable(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        file = temporary.open("xb")
    try:
        yield file
        with reported(path):
            file.flush()
            _sync(file.fileno())
            file.close()
            temporary.replace(target)
            _sync_folder(target.parent)
    finally:
        with suppress(OSError):
            file.close()
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that replaces ``path`` when it is complete, as ``replacing`` does.

    Raises:
        FileError: if the file system refuses.
    """
    with reported(path), replacing(path) as file:
        file.write(content)


def sweep(folder: Path, name: str | None = None, prefix: str = "") -> None:
    """Remove the temporary files of killed processes from a folder; no other process may write there.

    Args:
        folder: the folder.
        name: remove only the temporary files of this file.
        prefix: remove only the temporary files of files whose names begin with it.

    Raises:
        FileError: if the file system refuses.
    """
    stem = f"{glob.escape(prefix)}*" if name is None else glob.escape(name[:NAME_KEPT])
    with reported(folder):
        for temporary in folder.glob(f".{stem}.{'[0-9a-f]' * 8}{TEMPORARY_SUFFIX}"):
            temporary.unlink(missing_ok=True)


def _check_replaceable(target: Path) -> None:
    """Refuse to replace a directory, a pipe or a device such as /dev/null."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise FileError(f"{target}: a pipe or a device, not a file", f"Results need a regular file: {_ELSEWHERE}")


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` raised while ``path`` is written into a ``FileError`` with the remedy."""
    try:
        yield
    except OSError as fault:
        reason = fault.strerror or str(fault)
        hint = HINTS.get(fault.errno, "") if fault.errno is not None else ""
        raise FileError(f"{path}: cannot be written ({reason})", hint) from fault


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as fault:
        if fault.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems do not support it
            raise


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)
