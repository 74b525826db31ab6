"""Decoding through libsndfile: WAV in all its encodings, FLAC, Ogg, Opus, AIFF, AU, CAF, RF64, W64, SPHERE."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from io import FileIO
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

_UNCOMPRESSED = {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"}
_SYSTEM_ERROR = 2  # SF_ERR_SYSTEM: what libsndfile calls a file that the system does not let it read
UNKNOWN_FRAMES = 1 << 62  # libsndfile gives the largest count it knows when a header does not say

# What libsndfile notes about a chunk that claims more bytes than the file holds, before it clips the frame count.
_SIZE = re.compile(r"^\s*(?:data|SSND|Data Size|riff)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_DS64 = re.compile(r"does not match value from 'ds64' chunk of (\d+)")
_HALF_A_PAGE = re.compile(r"^Ogg ?: Junk after the last page", re.MULTILINE)


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is only read onwards.

    After each read soundfile seeks to where it already is. Opus and MP3 decoders start afresh then, and samples come
    out wrong where blocks meet. A file that says it cannot seek is spared this.
    """

    def seekable(self) -> bool:
        return False


class SndfileDecoder:
    """One recording, read by libsndfile.

    Args:
        file: open at its start; recognised by content, the name plays no part.

    Raises:
        soundfile.LibsndfileError: if libsndfile does not know the format.
        OSError: the file cannot be read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        # by a descriptor it costs less: a file's callbacks take as long as the decoding of an utterance
        self._quiet = None if os.name == "posix" and isinstance(file, FileIO) else QuietFile(file)
        self._sound = _Forward(self._quiet or file.fileno(), closefd=False)
        log = self._sound.extra_info
        self.format: str = self._sound.format
        self.sample_rate: int = self._sound.samplerate
        self.n_channels: int = self._sound.channels
        claimed = claimed_frames(self._sound.frames, log)
        self.claimed_s = None if claimed is None else claimed / self.sample_rate
        self.claim_holds = True
        # at the end of FLAC's sound libsndfile takes what stands behind it for damage, if it is asked for more
        self.n_counted = min(self._sound.frames, UNKNOWN_FRAMES) if self.format == "FLAC" else UNKNOWN_FRAMES
        self.note: str | None = None
        self.fault: str | None = "its last Ogg page is cut" if _HALF_A_PAGE.search(log) else None

    def blocks(self, n_frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Decode onwards, ``n_frames`` at a time: float32 ``(n, channels)``; a decoder error ends it, see ``fault``.

        Raises:
            OSError: the file cannot be read.
        """
        n_read = 0
        while True:
            n_wanted = min(n_frames, self.n_counted - n_read)
            block = np.empty((n_wanted, self.n_channels), dtype=np.float32)
            try:
                n_got = len(self._sound.read(n_wanted, out=block))
            except soundfile.SoundFileError as error:
                if getattr(error, "code", 0) == _SYSTEM_ERROR:
                    self._file.read(1 << 12)  # says why, unless it passes again
                    raise OSError("a read failed") from error
                self.fault = f"the decoder stopped: {str(error).removeprefix('Error : ').rstrip('.')}"
                n_got = max(0, self._sound.tell() - n_read)
            if self._quiet is not None and self._quiet.error is not None:
                raise self._quiet.error
            if n_got:
                n_read += n_got
                yield block[:n_got]
            if n_got < n_frames:  # it is at its end, or at that of its count
                return

    def seek(self, frame: int) -> bool:
        """Go to a frame, where that is exact and cannot fail: in uncompressed sound; else do nothing and say False."""
        uncompressed = self.format != "FLAC" and self._sound.subtype in _UNCOMPRESSED
        return uncompressed and frame <= self._sound.frames and bool(self._sound.seek(frame) == frame)

    def close(self) -> None:
        """Let go of the decoder; the file stays open."""
        self._sound.close()


def claimed_frames(frames: int, log: str) -> int | None:
    """How many frames the header promises, where libsndfile gives only what is there.

    A writer to a pipe cannot know the size and leaves a placeholder; then there is no claim to hold it to.

    Args:
        frames: libsndfile's frame count, for WAV and its kin already cut down to the file's size.
        log: what libsndfile wrote while it parsed the header.
    """
    if frames >= UNKNOWN_FRAMES:
        return None
    if found := _DS64.search(log):
        return max(frames, int(found[1]))
    if found := _SIZE.search(log):
        claimed, held = int(found[1]), int(found[2])
        if is_placeholder(claimed):
            return None
        return frames * claimed // held if held > 0 else None
    return frames


def is_placeholder(size: int) -> bool:
    """Whether a 32-bit chunk size is what streaming writers leave.

    Zero; near the largest signed or unsigned one; or, for AIFF by SoX, 0x7F000000 and its header.
    """
    large = 0x7F000000 <= size < 0x7F001000 or 0x7FFFF000 <= size <= 0x80000000 or size >= 0xFFFFF000
    return size == 0 or large


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
