"""The cache: a folder for what can be computed again, each file named by a hash of what decides its content.

Each file ends in a seal: a CRC-32 of its name and content. It finds damage, be it a byte or half of the file, and is
several times faster than the hash of a cipher, for what is read may be gigabytes.
"""

from __future__ import annotations

import logging
import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pcqtool.errors import CacheError, FileError
from pcqtool.files.atomic import replacing
from pcqtool.files.display import expand_home

VARIABLE = "PCQTOOL_CACHE"

_SEAL = struct.Struct("<8sI")  # a mark, and the checksum
_MARK = b"pcqtool1"
_PIECE_BYTES = 1 << 20
_MEMORY_SHARE = 0.5  # of the machine's, for what cannot be kept on disk

_log = logging.getLogger(__name__)


class Sealed:
    """A file of the cache that is being written: it counts its checksum as it goes."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._checksum = zlib.crc32(name.encode())

    def write(self, content: bytes | memoryview) -> int:
        """Append to the file."""
        self._checksum = zlib.crc32(content, self._checksum)
        return self._file.write(content)

    def seal(self) -> None:
        """Mark the file as whole."""
        self._file.write(_SEAL.pack(_MARK, self._checksum))


def cache_folder() -> Path:
    """Return the folder: ``PCQTOOL_CACHE``, or ``pcqtool`` in the user's cache."""
    named = os.environ.get(VARIABLE)
    return expand_home(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pcqtool"


@contextmanager
def caching(path: Path, n_bytes: int) -> Iterator[Sealed]:
    """Open a file of the cache, which is there once the block has ended well.

    Processes may write the same file at once: each writes its own, and the last one stays.

    Args:
        path: its place in the folder.
        n_bytes: how large it will be.

    Raises:
        CacheError: if the folder cannot be written to, or has too little room.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_room(path.parent, n_bytes)
        with replacing(path) as file:
            sealed = Sealed(file, path.name)
            yield sealed
            sealed.seal()
    except (OSError, FileError) as error:
        raise CacheError(
            f"the feature cache {path.parent} cannot be written: {error}", f"Name another folder with {VARIABLE}."
        ) from error


def is_whole(path: Path) -> bool:
    """Check that a file of the cache is there, and is what was written; damage is logged.

    A damaged file stays until another one takes its place: another process may do so at any moment.
    """
    try:
        with path.open("rb") as file:
            if _is_sealed(file, path.name):
                return True
        fault = "is damaged, or of an earlier version"
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        fault = f"cannot be read ({error.strerror or error})"
    _log.warning("%s of the feature cache %s: it is made again", path, fault)
    return False


def read_content(path: Path) -> bytes:
    """Read all of a whole file but its seal."""
    return path.read_bytes()[: -_SEAL.size]


def hold(fault: CacheError, n_bytes: int) -> None:
    """Log that what cannot be kept on disk is held in memory.

    Raises:
        CacheError: the fault, if that takes too much of the machine's memory.
    """
    if n_bytes > _MEMORY_SHARE * _memory_bytes():
        raise fault
    _log.warning("%s; what belongs there is held in memory", " ".join(fault.what.split()))


def _is_sealed(file: BinaryIO, name: str) -> bool:
    n_left = os.fstat(file.fileno()).st_size - _SEAL.size
    checksum, buffer = zlib.crc32(name.encode()), memoryview(bytearray(_PIECE_BYTES))
    while n_left > 0:
        n = file.readinto(buffer[: min(n_left, _PIECE_BYTES)])  # type: ignore[attr-defined]
        if not n:
            return False
        checksum = zlib.crc32(buffer[:n], checksum)
        n_left -= n
    return n_left == 0 and file.read() == _SEAL.pack(_MARK, checksum)


def _memory_bytes() -> int:
    """Return the size of the machine's memory; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def _check_room(folder: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise CacheError(
            f"the feature cache needs {n_bytes / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB left",
            f"Name a folder with more room with {VARIABLE}, draw fewer views, or set cache = false in the recipe.",
        )
