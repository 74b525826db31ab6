"""The links of an Ogg file: recordings that were joined one behind the other, each with a beginning of its own."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from pcqtool.audio.decoding.ogg_packets import packet_heads, sound_of

_CAPTURE = b"OggS\0"  # how pages begin: a pattern and the version
_HEADER = struct.Struct("<5sBqIIIB")  # flags, granule position, serial, number, checksum, segments
_BEGINS, _ENDS = 2, 4
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
        excess: whether packets hold more sound than positions count, which only the last page may leave off.
    """

    start: int
    end: int = 0
    n_streams: int = 1
    n_lost: int = 0
    gap: bool = False
    excess: bool = False

    @property
    def fault(self) -> str | None:
        """What is missing."""
        return f"{self.n_lost} Ogg page(s) are missing" if self.n_lost else None


@dataclass(frozen=True)
class Page:
    """Where a page stands, its header, and its content."""

    start: int
    end: int
    begins: bool
    ends: bool
    granule: int
    number: int
    table: bytes
    body: bytes

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
        self._number = first.number if first else -1
        self._granule: int | None = None
        self._sound = sound_of(first.body) if first else None
        self._pending = b""  # the beginning of a packet that goes on

    def follow(self, page: Page, link: Link) -> None:
        """Take note of a page that follows."""
        if self._granule is not None:  # a broadcast's first pages are those of its beginning, long ago
            link.n_lost += max(0, page.number - self._number - 1)
        self._number = page.number
        n_samples = self._count(page)
        if page.granule <= 0 or not page.n_packets:
            return
        if self._sound:
            n_passed = page.granule - (self._granule or 0)
            longest = self._sound.longest(page.body)
            n_missing = n_passed - (page.n_packets + 1) * longest if self._granule is not None else 0
            link.gap = link.gap or n_missing > _GAP_S * self._sound.rate
            link.excess = link.excess or (n_samples > n_passed and not page.ends)
        self._granule = page.granule

    def _count(self, page: Page) -> int:
        """How much sound the packets hold that end on a page."""
        pending, self._pending = self._pending, b""
        if not self._sound:
            return 0
        n_samples = 0
        for head, ends in packet_heads(page.table, page.body, pending):
            if ends:
                n_samples += self._sound.count(head)
            else:
                self._pending = head
        return n_samples


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
    return Page(
        offset + at,
        end,
        bool(flags & _BEGINS),
        bool(flags & _ENDS),
        granule,
        number,
        sizes,
        content[body : end - offset],
    )
