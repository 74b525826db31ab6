"""FLAC files that hold more than their headers count: several joined into one, a count too small, or a tag behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from pcqtool.audio.decoding.file_view import Stretch, View, size_of
from pcqtool.audio.decoding.sndfile import UNKNOWN_FRAMES, SndfileDecoder

_BEGINNINGS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")  # with the header of STREAMINFO, alone or not
_COUNT = Stretch(18, 26)  # where STREAMINFO has the number of samples, in the last 36 bits
_AHEAD = 1 << 16  # bytes that libFLAC may have read beyond the last sample that it gave
_CHUNK = 1 << 16


def is_flac(file: BinaryIO) -> bool:
    """Whether a file begins as FLAC does; goes back to 0."""
    head = file.read(8)
    file.seek(0)
    return head in _BEGINNINGS


def next_beginning(file: BinaryIO, start: int) -> int | None:
    """Return where from ``start`` on the next FLAC file begins; None if none does."""
    held = b""
    file.seek(start)
    while chunk := file.read(_CHUNK):
        content = held + chunk
        found = [at for at in map(content.find, _BEGINNINGS) if at >= 0]
        if found:
            return start + min(found)
        held = content[-7:]
        start += len(content) - len(held)
    return None


def flac_ends(file: BinaryIO) -> list[int]:
    """Return where each of several FLAC files that were joined into one ends; none if there is one; goes back to 0."""
    found = [0]
    while (start := next_beginning(file, found[-1] + len(_BEGINNINGS[0]))) is not None:
        found.append(start)
    size = size_of(file)
    return [*found[1:], size] if len(found) > 1 else []


class FlacDecoder(SndfileDecoder):
    """A FLAC file, read to the end of its sound and not to that of its count."""

    def blocks(self, n_frames: int) -> Iterator[npt.NDArray[np.float32]]:
        """Decode onwards, see :meth:`SndfileDecoder.blocks`."""
        n_read = 0
        for block in super().blocks(n_frames):
            n_read += len(block)
            yield block
        at, size = self._file.tell(), size_of(self._file)
        first = first_frame(self._file, size)
        n_before = first.start if first else 0
        if n_before and n_read + n_before == self.n_counted:  # cut out of a longer file, whose count it kept
            self.fault, self.claimed_s = None, n_read / self.sample_rate
        elif self.n_counted in (n_read, UNKNOWN_FRAMES):
            if not self._goes_on(first, n_read, at, size):
                self.fault = None  # what the decoder stumbled over is no sound
            elif self.n_counted == n_read:
                yield from self._uncounted(n_frames, n_read, size)

    def _goes_on(self, first: Frame | None, n_read: int, at: int, size: int) -> bool:
        """Whether frames hold more samples than were read, when the decoder has come to ``at``."""
        following = frames(self._file, max(0, at - _AHEAD), size)
        return first is not None and any(
            frame.kind == first.kind and frame.end > first.start + n_read for frame in following
        )

    def _uncounted(self, n_frames: int, n_read: int, size: int) -> Iterator[npt.NDArray[np.float32]]:
        """The sound behind the last sample that is counted."""
        self._file.seek(_COUNT.start)
        count = int.from_bytes(self._file.read(8), "big") >> 36 << 36  # none is stated then
        parts = (Stretch(0, _COUNT.start), count.to_bytes(8, "big"), Stretch(_COUNT.end, size))
        whole = FlacDecoder(cast(BinaryIO, View(self._file, parts)))
        for block in whole.blocks(n_frames):
            if len(block) > n_read:
                yield block[n_read:]
            n_read = max(0, n_read - len(block))
        self.fault = whole.fault
        whole.close()


_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_LONGEST = 16  # bytes of a header
_FRAME_CHUNK = 1 << 14
_BLOCK = 10  # where STREAMINFO has the longest block, from the file's beginning on


class Frame(NamedTuple):
    """Where a frame stands in bytes, and its samples of one channel: from ``start`` up to ``end``.

    All frames of a file are of one ``kind``: how they are numbered, their rate and their bits.
    """

    at: int
    start: int
    end: int
    kind: tuple[int, int, int]


def frames(file: BinaryIO, at: int, end: int) -> Iterator[Frame]:
    """Find the frames whose headers stand from ``at`` up to ``end``. One in some millions of bytes only looks so."""
    file.seek(_BLOCK)
    block = int.from_bytes(file.read(2), "big")
    while at < end:
        file.seek(at)
        content = file.read(min(_FRAME_CHUNK + _LONGEST, end - at))
        for found in _SYNC.finditer(content):
            head = content[found.start() : found.start() + _LONGEST]
            if found.start() < _FRAME_CHUNK and (samples := _samples(head, block)):
                yield Frame(at + found.start(), *samples, (head[1], head[2] & 15, head[3] & 15))
        at += _FRAME_CHUNK


def first_frame(file: BinaryIO, end: int) -> Frame | None:
    """Return a file's first frame; its ``start`` is not 0 where it was cut out of another. None if it has none."""
    at, last = len(b"fLaC"), False
    while not last:
        file.seek(at)
        head = file.read(4)
        if len(head) < 4:
            return None
        last, at = bool(head[0] & 0x80), at + 4 + int.from_bytes(head[1:], "big")
    return next(frames(file, at, end), None)


def _samples(head: bytes, block: int) -> tuple[int, int] | None:
    """The samples of the frame that begins with ``head``; None if none does."""
    if len(head) < 6 or head[3] & 1:
        return None
    n_more = max(0, 7 - (head[4] ^ 0xFF).bit_length())  # bytes of the number behind its first, as in UTF-8
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
