"""The headers of a FLAC file's frames: they tell how far its sound goes, whatever the file's own header counts.

Source: RFC 9639, section 9.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_LONGEST = 16  # bytes of a header
_CHUNK = 1 << 14
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
        content = file.read(min(_CHUNK + _LONGEST, end - at))
        for found in _SYNC.finditer(content):
            head = content[found.start() : found.start() + _LONGEST]
            if found.start() < _CHUNK and (samples := _samples(head, block)):
                yield Frame(at + found.start(), *samples, (head[1], head[2] & 15, head[3] & 15))
        at += _CHUNK


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
