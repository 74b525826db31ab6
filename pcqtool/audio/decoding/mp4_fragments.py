"""Fragmented MP4: the start time of the first fragment, since a part of a broadcast does not begin at 0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple


class Box(NamedTuple):
    """A box of an MP4 (ISO/IEC 14496-12): its type, and the byte range of its content."""

    kind: bytes
    start: int
    end: int


def first_time(file: BinaryIO, track: int) -> int:
    """Return the decode time of a track's first fragment, in the track's own units; 0 if not stated.

    Restores the file's position.
    """
    position = file.tell()
    try:
        return next(_times(file, track), 0)
    finally:
        file.seek(position)


def _times(file: BinaryIO, track: int) -> Iterator[int]:
    """Yield the decode times of a track's fragments, if the file consists of fragments only."""
    fragments = False
    for box in _boxes(file, Box(b"", 0, file.seek(0, 2))):
        fragments |= box.kind == b"moof"
        if not fragments and box.kind == b"mdat" and box.end > box.start:
            return  # audio before the first fragment
        for traf in _boxes(file, box) if box.kind == b"moof" else ():
            found = {inner.kind: _read(file, inner.start, 12) for inner in _boxes(file, traf) if traf.kind == b"traf"}
            if b"tfhd" in found and b"tfdt" in found and int.from_bytes(found[b"tfhd"][4:8]) == track:
                time = found[b"tfdt"]
                yield int.from_bytes(time[4:12] if time[:1] == b"\1" else time[4:8])


def _boxes(file: BinaryIO, outer: Box) -> Iterator[Box]:
    at = outer.start
    while at + 8 <= outer.end:
        head = _read(file, at, 16)
        n_head, size = 8, int.from_bytes(head[:4])
        if size == 1:
            n_head, size = 16, int.from_bytes(head[8:16])
        elif size == 0:  # up to the end
            size = outer.end - at
        if size < n_head:
            return
        yield Box(head[4:8], at + n_head, min(at + size, outer.end))
        at += size


def _read(file: BinaryIO, at: int, n_bytes: int) -> bytes:
    file.seek(at)
    return file.read(n_bytes)
