"""Parts of a file as a file: the audio after a tag, one of several joined recordings, or a repaired header."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple, cast


class ByteRange(NamedTuple):
    """Bytes of a file, from ``start`` up to but not including ``end``."""

    start: int
    end: int


class FileView(io.RawIOBase):
    """A read-only file composed of ranges of another file and of other bytes.

    Raises:
        OSError: on reading, if the other file cannot be read.
    """

    def __init__(self, file: BinaryIO, parts: Sequence[ByteRange | bytes]) -> None:
        self._file = file
        self._parts = parts
        self._ends: list[int] = []
        size = 0
        for part in parts:
            size += len(part) if isinstance(part, bytes) else part.end - part.start
            self._ends.append(size)
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position and return it; raise ``OSError`` if it is negative."""
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if position < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = position
        return position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into ``buffer``, at most to the end of the current part; return the number of bytes, 0 at the end."""
        start = 0
        for part, end in zip(self._parts, self._ends, strict=True):
            if self._position < end:
                content = self._read(part, self._position - start, min(len(buffer), end - self._position))
                buffer[: len(content)] = content
                self._position += len(content)
                return len(content)
            start = end
        return 0

    def _read(self, part: ByteRange | bytes, first: int, n_bytes: int) -> bytes:
        if isinstance(part, bytes):
            return part[first : first + n_bytes]
        self._file.seek(part.start + first)
        return self._file.read(n_bytes)


def view_range(file: BinaryIO, start: int, end: int) -> BinaryIO:
    """Return a byte range of a file as a file."""
    return cast(BinaryIO, FileView(file, [ByteRange(start, end)]))


def file_size(file: BinaryIO) -> int:
    """Return a file's size in bytes. Leaves the position at 0."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size
