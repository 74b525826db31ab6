"""Fragmented MP4: when its first fragment begins. A piece of a broadcast goes on where the one before ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple


class Box(NamedTuple):
    """A box of an MP4 (ISO/IEC 14496-12): its kind, and where its content stands."""

    kind: bytes
    start: int
    end: int


def first_time(file: BinaryIO, track: int) -> int:
    """Return the decode time at which a track's first fragment begins, in units of its own; 0 if it states none.

    Leaves the file's position as it was.
    """
    position = file.tell()
    try:
        return next(_times(file, track), 0)
    finally:
        file.seek(position)


def _times(file: BinaryIO, track: int) -> Iterator[int]:
    """The decode times of a track's fragments, where the file has nothing but fragments."""
    fragments = False
    for box in _boxes(file, Box(b"", 0, file.seek(0, 2))):
        fragments |= box.kind == b"moof"
        if not fragments and box.kind == b"mdat" and box.end > box.start:
            return  # the beginning of the sound, which no fragment describes
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
