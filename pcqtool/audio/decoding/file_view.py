"""Parts of a file as a file: what stands behind a tag, one of several that were joined, or a header put right."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple, cast


class Stretch(NamedTuple):
    """Bytes of a file, from ``start`` up to ``end``."""

    start: int
    end: int


class View(io.RawIOBase):
    """A file to read that is made of stretches of another, and of bytes that stand in it nowhere.

    Raises:
        OSError: on reading, if the other cannot be read.
    """

    def __init__(self, file: BinaryIO, parts: Sequence[Stretch | bytes]) -> None:
        self._file = file
        self._parts = parts
        self._ends: list[int] = []
        size = 0
        for part in parts:
            size += len(part) if isinstance(part, bytes) else part.end - part.start
            self._ends.append(size)
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, and return it; an ``OSError`` if it is before the beginning."""
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if position < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._at = position
        return position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read on into ``buffer``, to the end of the part at most; return the number of bytes, 0 at the end."""
        start = 0
        for part, end in zip(self._parts, self._ends, strict=True):
            if self._at < end:
                content = self._read(part, self._at - start, min(len(buffer), end - self._at))
                buffer[: len(content)] = content
                self._at += len(content)
                return len(content)
            start = end
        return 0

    def _read(self, part: Stretch | bytes, first: int, n_bytes: int) -> bytes:
        if isinstance(part, bytes):
            return part[first : first + n_bytes]
        self._file.seek(part.start + first)
        return self._file.read(n_bytes)


def part_of(file: BinaryIO, start: int, end: int) -> BinaryIO:
    """Return a stretch of a file as a file."""
    return cast(BinaryIO, View(file, [Stretch(start, end)]))


def size_of(file: BinaryIO) -> int:
    """Return a file's size in bytes; goes back to its start."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size
