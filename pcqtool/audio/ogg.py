"""The links of an Ogg file: recordings that were joined one behind the other, each with a beginning of its own."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

_CAPTURE = b"OggS\0"  # how pages begin: a pattern and the version
_HEADER = struct.Struct("<5sBqIIIB")  # flags, granule position, serial, number, checksum, segments
_BEGINS = 2
_CHUNK = 1 << 16
_GAP_S = 0.1


@dataclass
class Link:
    """A link of an Ogg file.

    Attributes:
        start: where it stands, in bytes.
        end: where the next one stands.
        n_streams: how many streams it holds at once: several where there is a picture.
        n_lost: pages that are missing in it.
        gap: whether positions of the sound go further than the sound of the packets between them.
    """

    start: int
    end: int = 0
    n_streams: int = 1
    n_lost: int = 0
    gap: bool = False

    @property
    def fault(self) -> str | None:
        """What is missing."""
        return f"{self.n_lost} Ogg page(s) are missing" if self.n_lost else None


@dataclass(frozen=True)
class Page:
    """Where a page stands, its header, and the beginning of its content."""

    start: int
    end: int
    begins: bool
    granule: int
    number: int
    table: bytes
    head: bytes

    @property
    def n_packets(self) -> int:
        """How many packets end on it."""
        return len(self.table) - self.table.count(255)


def is_ogg(file: BinaryIO) -> bool:
    """Whether a file begins with an Ogg page; goes back to 0."""
    head = file.read(len(_CAPTURE))
    file.seek(0)
    return head == _CAPTURE


def links(file: BinaryIO) -> list[Link]:
    """Return the links of an Ogg file, at least one; reads it to its end and goes back to 0.

    A link begins with the first pages of its streams, one behind the other. Serial numbers do not tell links apart:
    what was joined may have the same ones, or have them in turn.
    """
    found: list[Link] = []
    before: Page | None = None
    stream = Stream()
    for page in _pages(file):
        if not page.begins:
            if found and found[-1].n_streams == 1:
                stream.follow(page, found[-1])
        elif before and before.begins and before.end == page.start:
            found[-1].n_streams += 1
        else:
            found.append(Link(page.start))
            stream = Stream(page)
        before = page
    size = file.tell()
    file.seek(0)
    found = found or [Link(0)]
    found[0].start = 0
    for link, following in pairwise(found):
        link.end = following.start
    found[-1].end = size
    return found


class Stream:
    """One stream's positions, compared with the sound of its packets.

    Args:
        first: its first page, whose content names the codec.
    """

    def __init__(self, first: Page | None = None) -> None:
        head = first.head if first else b""
        self._number = first.number if first else -1
        self._granule: int | None = None
        self._rate = 0
        self._longest = 0  # samples of a Vorbis packet
        if head.startswith(b"OpusHead"):
            self._rate = 48_000
        elif head.startswith(b"\x01vorbis") and len(head) >= 29:
            self._rate = int.from_bytes(head[12:16], "little")
            self._longest = (1 << (head[28] >> 4)) // 2

    def follow(self, page: Page, link: Link) -> None:
        """Take note of a page that follows."""
        if self._granule is not None:  # a broadcast's first pages are those of its beginning, long ago
            link.n_lost += max(0, page.number - self._number - 1)
        self._number = page.number
        if page.granule <= 0 or not page.n_packets:
            return
        if self._granule is not None and self._rate:
            longest = self._longest or _opus_samples(page.head)
            n_missing = page.granule - self._granule - (page.n_packets + 1) * longest
            link.gap = link.gap or n_missing > _GAP_S * self._rate
        self._granule = page.granule


def _opus_samples(packet: bytes) -> int:
    """How many samples at 48 kHz the packets of a page hold, if all are as the first: RFC 6716, section 3.1."""
    if len(packet) < 2:
        return 960
    kind, code = packet[0] >> 3, packet[0] & 3
    if kind < 12:
        each = (480, 960, 1920, 2880)[kind & 3]
    elif kind < 16:
        each = (480, 960)[kind & 1]
    else:
        each = (120, 240, 480, 960)[kind & 3]
    return each * (1, 2, 2, packet[1] & 63)[code]


def _pages(file: BinaryIO) -> Iterator[Page]:
    content, offset, at = b"", 0, 0
    while True:
        chunk = file.read(_CHUNK)
        content, offset, at = content[at:] + chunk, offset + at, 0
        while (at := content.find(_CAPTURE, at)) >= 0:
            page = _page(content, at, offset)
            needed = at + _HEADER.size if page is None else page.end - offset + len(_CAPTURE)
            if chunk and needed > len(content):
                break  # the rest of it is in the next chunk
            if page is not None:
                yield page
            # the next page is looked for where it should be, which is quick, or else anywhere
            behind = page.end - offset if page else 0
            at = behind if content.startswith(_CAPTURE, behind) and behind > at else at + 1
        if not chunk:
            return
        if at < 0:
            at = max(0, len(content) - len(_CAPTURE) + 1)


def _page(content: bytes, at: int, offset: int) -> Page | None:
    """The page at a place in a file's content from ``offset`` on; None if it is cut, or sound that looks like one."""
    table = at + _HEADER.size
    if table > len(content):
        return None
    _, flags, granule, _, number, _, n_segments = _HEADER.unpack_from(content, at)
    body = table + n_segments
    if not 0 <= flags < 8:
        return None
    sizes = content[table:body]
    end = offset + body + sum(sizes)
    return Page(offset + at, end, bool(flags & _BEGINS), granule, number, sizes, content[body : body + 64])
