"""Decoding with libsndfile: WAV in all its encodings, FLAC, Ogg, Opus, AIFF, AU, CAF, RF64, W64, SPHERE."""

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
_SYSTEM_ERROR = 2  # SF_ERR_SYSTEM: the operating system cannot read the file
UNKNOWN_FRAMES = 1 << 62  # libsndfile returns its largest count if the header states none

# libsndfile's log entry for a chunk that claims more bytes than the file has; the frame count is clipped then.
_CLIPPED_SIZE = re.compile(r"^\s*(?:data|SSND|Data Size|riff)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_DS64 = re.compile(r"does not match value from 'ds64' chunk of (\d+)")
_CUT_PAGE = re.compile(r"^Ogg ?: Junk after the last page", re.MULTILINE)


class _ForwardSoundFile(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is only read forward.

    After each read, soundfile seeks to the current position. Opus and MP3 decoders then restart, and samples at block
    boundaries are wrong. soundfile does not do this to a file that is not seekable.
    """

    def seekable(self) -> bool:
        return False


class SndfileDecoder:
    """A :class:`Decoder` that uses libsndfile.

    Args:
        file: open at its start; its content decides the format, not its name.

    Raises:
        soundfile.LibsndfileError: if libsndfile does not support the format.
        OSError: the file cannot be read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        # a descriptor is faster: a file's callbacks take as long as decoding an utterance
        self._callbacks = None if os.name == "posix" and isinstance(file, FileIO) else CallbackFile(file)
        self._sound = _ForwardSoundFile(self._callbacks or file.fileno(), closefd=False)
        log = self._sound.extra_info
        self.format: str = self._sound.format
        self.sample_rate: int = self._sound.samplerate
        self.n_channels: int = self._sound.channels
        claimed = claimed_frames(self._sound.frames, log)
        self.claimed_s = None if claimed is None else claimed / self.sample_rate
        self.claim_is_reliable = True
        # asked for more than FLAC's audio, libsndfile mistakes the bytes after it for damage
        self.n_counted = min(self._sound.frames, UNKNOWN_FRAMES) if self.format == "FLAC" else UNKNOWN_FRAMES
        self.note: str | None = None
        self.fault: str | None = "its last Ogg page is cut" if _CUT_PAGE.search(log) else None

    def blocks(self, n_frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield float32 blocks ``(n, channels)``, see :class:`Decoder`; an error ends them and sets ``fault``."""
        n_read = 0
        while True:
            n_wanted = min(n_frames, self.n_counted - n_read)
            block = np.empty((n_wanted, self.n_channels), dtype=np.float32)
            try:
                n_decoded = len(self._sound.read(n_wanted, out=block))
            except soundfile.SoundFileError as error:
                if getattr(error, "code", 0) == _SYSTEM_ERROR:
                    self._file.read(1 << 12)  # raises the reason, unless reading works again
                    raise OSError("a read failed") from error
                self.fault = f"the decoder stopped: {str(error).removeprefix('Error : ').rstrip('.')}"
                n_decoded = max(0, self._sound.tell() - n_read)
            if self._callbacks is not None and self._callbacks.error is not None:
                raise self._callbacks.error
            if n_decoded:
                n_read += n_decoded
                yield block[:n_decoded]
            if n_decoded < n_frames:  # end of the file, or of its count
                return

    def seek(self, frame: int) -> bool:
        """Go to a frame of uncompressed audio, where seeking is exact and cannot fail; otherwise return False."""
        uncompressed = self.format != "FLAC" and self._sound.subtype in _UNCOMPRESSED
        return uncompressed and frame <= self._sound.frames and bool(self._sound.seek(frame) == frame)

    def close(self) -> None:
        """Close the decoder."""
        self._sound.close()


def claimed_frames(frames: int, log: str) -> int | None:
    """Return the number of frames that the header claims; libsndfile returns only those in the file.

    A writer to a pipe cannot know the size and leaves a placeholder; this is not a claim, and None is returned.

    Args:
        frames: libsndfile's frame count; for WAV and similar formats clipped to the file's size.
        log: libsndfile's log of parsing the header.
    """
    if frames >= UNKNOWN_FRAMES:
        return None
    if found := _DS64.search(log):
        return max(frames, int(found[1]))
    if found := _CLIPPED_SIZE.search(log):
        claimed, in_file = int(found[1]), int(found[2])
        if is_placeholder(claimed):
            return None
        return frames * claimed // in_file if in_file > 0 else None
    return frames


def is_placeholder(size: int) -> bool:
    """Whether a 32-bit chunk size is a placeholder of a streaming writer.

    Placeholders are 0, sizes near the largest signed or unsigned one, and, in AIFF by SoX, 0x7F000000 plus its header.
    """
    large = 0x7F000000 <= size < 0x7F001000 or 0x7FFFF000 <= size <= 0x80000000 or size >= 0xFFFFF000
    return size == 0 or large


class CallbackFile:
    """A file for libsndfile's callbacks; it ends where it cannot be read.

    libsndfile calls it from C, through which no exception can pass; the exception is stored instead.

    Attributes:
        error: the first error of reading; None if there was none.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position and return it; return -1 if it is invalid."""
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a damaged header can lead to an invalid position
                self.error = self.error or error
            return -1

    def readinto(self, buffer: memoryview) -> int:
        """Read until the buffer is full or the file ends; return the number of bytes."""
        n_read = 0
        try:
            while n_read < len(buffer) and (content := self._file.read(len(buffer) - n_read)):
                buffer[n_read : n_read + len(content)] = content
                n_read += len(content)
        except OSError as error:
            self.error = self.error or error
        return n_read

    def read(self, n_bytes: int) -> bytes:
        """Read up to ``n_bytes``; soundfile requires this method."""
        content = bytearray(n_bytes)
        return bytes(content[: self.readinto(memoryview(content))])
