"""The links of an Ogg file: recordings that were joined one behind the other, each with a beginning of its own."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO, Protocol

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


_HEAD = 2  # bytes of a packet that tell how long it is


class Sound(Protocol):
    """A codec whose packets are counted in their order."""

    rate: int

    def longest(self, head: bytes) -> int:
        """Return how many samples a packet like one that begins with ``head`` holds at most."""

    def count(self, head: bytes) -> int:
        """Return how many samples the next packet adds."""


class OpusSound:
    """Opus, always counted at 48 kHz."""

    rate = 48_000

    def longest(self, head: bytes) -> int:
        """Return the length of a packet that begins with ``head``."""
        return self.count(head)

    def count(self, head: bytes) -> int:
        """Return how many samples a packet holds."""
        if len(head) < 2:
            return 960
        kind, code = head[0] >> 3, head[0] & 3
        if kind < 12:
            each = (480, 960, 1920, 2880)[kind & 3]
        elif kind < 16:
            each = (480, 960)[kind & 1]
        else:
            each = (120, 240, 480, 960)[kind & 3]
        return each * (1, 2, 2, head[1] & 63)[code]


class VorbisSound:
    """Vorbis: a packet adds a quarter of its block and of the one before it, the first one nothing.

    Args:
        head: of the stream, its first 29 bytes.
    """

    def __init__(self, head: bytes) -> None:
        self.rate = int.from_bytes(head[12:16], "little")
        self._blocks = (1 << (head[28] & 15), 1 << (head[28] >> 4))
        self._before = 0

    def longest(self, head: bytes) -> int:
        """Return half of the long block."""
        return self._blocks[1] // 2

    def count(self, head: bytes) -> int:
        """Return how many samples a packet adds; encoders have two modes, for short and for long blocks."""
        if not head or head[0] & 1:
            return 0  # no sound
        block = self._blocks[head[0] >> 1 & 1]
        before, self._before = self._before, block
        return before // 4 + block // 4 if before else 0


def sound_of(head: bytes) -> Sound | None:
    """Return the codec of a stream that begins with ``head``; None if it is another."""
    if head.startswith(b"OpusHead"):
        return OpusSound()
    if head.startswith(b"\x01vorbis") and len(head) >= 29:
        return VorbisSound(head)
    return None


def packet_heads(table: bytes, body: bytes, pending: bytes = b"") -> Iterator[tuple[bytes, bool]]:
    """The first bytes of the packets on a page, and whether each ends on it; ``pending`` are those of one cut before.

    Args:
        table: the lengths of the page's segments.
        body: what the page holds.
        pending: the first bytes of the packet that the page before left open.
    """
    start = at = 0
    for size in table:
        at += size
        if size < 255:
            yield pending or body[start : start + _HEAD], True
            pending, start = b"", at
    if pending or start < at:
        yield pending or body[start : start + _HEAD], False
