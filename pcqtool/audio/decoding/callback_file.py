"""A file for libsndfile's callbacks, which know no errors."""

from __future__ import annotations

import errno
from typing import BinaryIO


class QuietFile:
    """A file that ends where it cannot be read.

    libsndfile calls it from C, through which no exception passes; what was raised is kept.

    Attributes:
        error: the first error of reading; None if all could be read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position and return it, or -1 if there is none."""
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a header that is damaged sends it to where no file is
                self.error = self.error or error
            return -1

    def readinto(self, buffer: memoryview) -> int:
        """Read on until the buffer is full or the file ends; return the number of bytes."""
        n_read = 0
        try:
            while n_read < len(buffer) and (content := self._file.read(len(buffer) - n_read)):
                buffer[n_read : n_read + len(content)] = content
                n_read += len(content)
        except OSError as error:
            self.error = self.error or error
        return n_read

    def read(self, n_bytes: int) -> bytes:
        """Read up to ``n_bytes``; soundfile wants it to be there."""
        content = bytearray(n_bytes)
        return bytes(content[: self.readinto(memoryview(content))])
