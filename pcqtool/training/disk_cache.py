"""The cache: a folder of recomputable files, each named by a hash of everything that decides its content.

Each file ends in a seal: a CRC-32 of its name and content. It detects damage, from a byte to half of the file, and is
several times faster than a cryptographic hash, which matters for files of gigabytes.
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

_SEAL = struct.Struct("<8sI")  # marker and checksum
_MARK = b"pcqtool1"
_PIECE_BYTES = 1 << 20
_MAX_MEMORY = 0.5  # fraction of the machine's memory, for values that do not fit on disk

_log = logging.getLogger(__name__)


class SealedFile:
    """A cache file that is being written; it updates its checksum with every write."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._checksum = zlib.crc32(name.encode())

    def write(self, content: bytes | memoryview) -> int:
        """Append to the file."""
        self._checksum = zlib.crc32(content, self._checksum)
        return self._file.write(content)

    def seal(self) -> None:
        """Append the seal, which marks the file as complete."""
        self._file.write(_SEAL.pack(_MARK, self._checksum))


def cache_folder() -> Path:
    """Return the cache folder: ``PCQTOOL_CACHE``, or ``pcqtool`` in the user's cache."""
    named = os.environ.get(VARIABLE)
    return expand_home(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pcqtool"


@contextmanager
def cache_writer(path: Path, n_bytes: int) -> Iterator[SealedFile]:
    """Open a cache file for writing; it appears under its name when the block ends without an error.

    Several processes may write the same file at once: each writes a temporary one, and the last one stays.

    Args:
        path: where the file belongs in the cache.
        n_bytes: its expected size.

    Raises:
        CacheError: if the folder cannot be written to, or has too little space.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_space(path.parent, n_bytes)
        with replacing(path) as file:
            sealed = SealedFile(file, path.name)
            yield sealed
            sealed.seal()
    except (OSError, FileError) as error:
        raise CacheError(
            f"the feature cache {path.parent} cannot be written: {error}", f"Name another folder with {VARIABLE}."
        ) from error


def is_intact(path: Path) -> bool:
    """Check that a cache file exists and is undamaged; damage is logged.

    A damaged file stays until it is replaced, because another process may replace it at any moment.
    """
    try:
        with path.open("rb") as file:
            if _has_valid_seal(file, path.name):
                return True
        fault = "is damaged, or of an earlier version"
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        fault = f"cannot be read ({error.strerror or error})"
    _log.warning("%s of the feature cache %s and is computed again", path, fault)
    return False


def read_intact(path: Path) -> bytes:
    """Read an intact file without its seal."""
    return path.read_bytes()[: -_SEAL.size]


def fall_back_to_memory(error: CacheError, n_bytes: int) -> None:
    """Log that values that do not fit on disk are kept in memory.

    Raises:
        CacheError: the given error, if they take too much of the machine's memory.
    """
    if n_bytes > _MAX_MEMORY * _memory_bytes():
        raise error
    _log.warning("%s; its content is kept in memory", " ".join(error.what.split()))


def _has_valid_seal(file: BinaryIO, name: str) -> bool:
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
    """Return the size of the machine's memory; 0 if the system does not report it."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def _check_space(folder: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise CacheError(
            f"the feature cache needs {n_bytes / 1e9:.1f} GB, but {folder} has only {free / 1e9:.1f} GB left",
            f"Name a folder with more space with {VARIABLE}, lower n_augmented, or set cache = false in the recipe.",
        )
