"""FLAC files with more audio than their header counts: joined files, or too small a count; also tags at the end.

Source of the frame headers: RFC 9639, section 9.1. They show where the audio ends, whatever the file's header counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from pcqtool.audio.decoding.byte_range import ByteRange, FileView, file_size
from pcqtool.audio.decoding.sndfile import UNKNOWN_FRAMES, SndfileDecoder

# "fLaC" and the header of STREAMINFO, which may be the last block of metadata.
_SIGNATURES = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
_COUNT = ByteRange(18, 26)  # STREAMINFO's number of samples, in the last 36 bits
_READ_AHEAD = 1 << 16  # bytes that libFLAC may have read beyond the last sample it returned
_CHUNK = 1 << 16


def is_flac(file: BinaryIO) -> bool:
    """Whether a file begins like FLAC. Leaves the position at 0."""
    head = file.read(8)
    file.seek(0)
    return head in _SIGNATURES


def next_signature(file: BinaryIO, start: int) -> int | None:
    """Return the position of the next FLAC file at or after ``start``; None if there is none."""
    overlap = b""
    file.seek(start)
    while chunk := file.read(_CHUNK):
        content = overlap + chunk
        found = [at for at in map(content.find, _SIGNATURES) if at >= 0]
        if found:
            return start + min(found)
        overlap = content[-7:]
        start += len(content) - len(overlap)
    return None


def flac_ends(file: BinaryIO) -> list[int]:
    """Return the end of each of several joined FLAC files; empty if there is only one. Leaves the position at 0."""
    found = [0]
    while (start := next_signature(file, found[-1] + len(_SIGNATURES[0]))) is not None:
        found.append(start)
    size = file_size(file)
    return [*found[1:], size] if len(found) > 1 else []


class FlacDecoder(SndfileDecoder):
    """A decoder of FLAC that reads to the end of the audio, not to the end of the header's count."""

    def blocks(self, n_frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield float32 blocks ``(n, channels)``, see :class:`Decoder`."""
        n_read = 0
        for block in super().blocks(n_frames):
            n_read += len(block)
            yield block
        at, size = self._file.tell(), file_size(self._file)
        first = first_frame(self._file, size)
        n_before = first.start if first else 0
        if n_before and n_read + n_before == self.n_counted:  # cut from a longer file, with that file's count
            self.fault, self.claimed_s = None, n_read / self.sample_rate
        elif self.n_counted in (n_read, UNKNOWN_FRAMES):
            if not self._continues(first, n_read, at, size):
                self.fault = None  # the decoder failed at bytes that are not audio
            elif self.n_counted == n_read:
                yield from self._uncounted(n_frames, n_read, size)

    def _continues(self, first: Frame | None, n_read: int, at: int, size: int) -> bool:
        """Whether frames near ``at``, where the decoder stopped, contain samples beyond those that were read."""
        following = find_frames(self._file, max(0, at - _READ_AHEAD), size)
        return first is not None and any(
            frame.kind == first.kind and frame.end > first.start + n_read for frame in following
        )

    def _uncounted(self, n_frames: int, n_read: int, size: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the audio after the last sample that the header counts."""
        self._file.seek(_COUNT.start)
        count = int.from_bytes(self._file.read(8), "big") >> 36 << 36  # 0 means unknown
        parts = (ByteRange(0, _COUNT.start), count.to_bytes(8, "big"), ByteRange(_COUNT.end, size))
        complete = FlacDecoder(cast(BinaryIO, FileView(self._file, parts)))
        for block in complete.blocks(n_frames):
            if len(block) > n_read:
                yield block[n_read:]
            n_read = max(0, n_read - len(block))
        self.fault = complete.fault
        complete.close()


_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_MAX_HEADER = 16  # bytes of a frame header
_FRAME_CHUNK = 1 << 14
_BLOCK_SIZE_AT = 10  # offset of STREAMINFO's largest block size in the file


class Frame(NamedTuple):
    """The byte position ``at`` of a frame, and its range of samples ``start`` to ``end`` (one channel).

    All frames of a file are of the same ``kind``: numbering, sample rate and sample size.
    """

    at: int
    start: int
    end: int
    kind: tuple[int, int, int]


def find_frames(file: BinaryIO, at: int, end: int) -> Iterator[Frame]:
    """Yield the frames with headers between ``at`` and ``end``. In a few million bytes, one match is false."""
    file.seek(_BLOCK_SIZE_AT)
    block = int.from_bytes(file.read(2), "big")
    while at < end:
        file.seek(at)
        content = file.read(min(_FRAME_CHUNK + _MAX_HEADER, end - at))
        for found in _SYNC.finditer(content):
            head = content[found.start() : found.start() + _MAX_HEADER]
            if found.start() < _FRAME_CHUNK and (samples := _samples(head, block)):
                yield Frame(at + found.start(), *samples, (head[1], head[2] & 15, head[3] & 15))
        at += _FRAME_CHUNK


def first_frame(file: BinaryIO, end: int) -> Frame | None:
    """Return a file's first frame, whose ``start`` is above 0 if it was cut from another file; None without frames."""
    at, last = len(b"fLaC"), False
    while not last:
        file.seek(at)
        head = file.read(4)
        if len(head) < 4:
            return None
        last, at = bool(head[0] & 0x80), at + 4 + int.from_bytes(head[1:], "big")
    return next(find_frames(file, at, end), None)


def _samples(head: bytes, block: int) -> tuple[int, int] | None:
    """Return the sample range of the frame that begins with ``head``; None if it is not a frame."""
    if len(head) < 6 or head[3] & 1:
        return None
    n_more = max(0, 7 - (head[4] ^ 0xFF).bit_length())  # bytes of the number after its first, as in UTF-8
    size, rate = head[2] >> 4, head[2] & 15
    n_size = {6: 1, 7: 2}.get(size, 0)
    behind = 5 + n_more
    crc = behind + n_size + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if size == 0 or rate == 15 or crc >= len(head) or _crc(head[:crc]) != head[crc]:
        return None
    number = head[4] if head[4] < 0x80 else head[4] & (0x3F >> n_more)
    for byte in head[5:behind]:
        number = number << 6 | byte & 0x3F
    if n_size:
        n_samples = int.from_bytes(head[behind : behind + n_size], "big") + 1
    else:
        n_samples = 192 if size == 1 else 576 << size - 2 if size < 6 else 256 << size - 8
    start = number if head[1] & 1 else number * block
    return start, start + n_samples


def _crc(content: bytes) -> int:
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ (0x107 if crc & 0x80 else 0)
    return crc
