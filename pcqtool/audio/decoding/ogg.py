"""The links of an Ogg file, that is, recordings joined one after the other, and the samples in their packets.

Source: RFC 6716, section 3.1 (Opus); the Vorbis I specification, sections 4.2.2 and 4.3.1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO, Protocol

_CAPTURE = b"OggS\0"  # start of a page: capture pattern and version
_HEADER = struct.Struct("<5sBqIIIB")  # flags, granule position, serial, number, checksum, segments
_BEGINS, _ENDS = 2, 4  # flags of a stream's first and last page
_CHUNK = 1 << 16
_GAP_S = 0.1


@dataclass
class Link:
    """A link of an Ogg file.

    Attributes:
        start: position of its first byte.
        end: position of the next link.
        n_streams: number of concurrent streams: several if there is a picture.
        n_lost: number of missing pages.
        gap: whether granule positions advance further than the audio of the packets between them.
        excess: whether packets contain more audio than granule positions count, which is allowed on the last page only.
    """

    start: int
    end: int = 0
    n_streams: int = 1
    n_lost: int = 0
    gap: bool = False
    excess: bool = False

    @property
    def fault(self) -> str | None:
        """Description of the missing pages; None if there are none."""
        return f"{self.n_lost} Ogg page(s) are missing" if self.n_lost else None


@dataclass(frozen=True)
class Page:
    """A page: its byte range, header and content."""

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
        """Number of packets that end on the page."""
        return len(self.table) - self.table.count(255)


def is_ogg(file: BinaryIO) -> bool:
    """Whether a file begins with an Ogg page. Leaves the position at 0."""
    head = file.read(len(_CAPTURE))
    file.seek(0)
    return head == _CAPTURE


def find_links(file: BinaryIO) -> list[Link]:
    """Return the links of an Ogg file, at least one. Reads the file to its end, and leaves the position at 0.

    A link begins with the first pages of its streams, one after the other. Serial numbers do not distinguish links:
    joined recordings may have the same ones, or alternate between them.
    """
    found: list[Link] = []
    before: Page | None = None
    stream = StreamChecker()
    for page in _pages(file):
        if not page.begins:
            if found and found[-1].n_streams == 1:
                stream.add(page, found[-1])
        elif before and before.begins and before.end == page.start:
            found[-1].n_streams += 1
        else:
            found.append(Link(page.start))
            stream = StreamChecker(page)
        before = page
    size = file.tell()
    file.seek(0)
    found = found or [Link(0)]
    found[0].start = 0
    for link, following in pairwise(found):
        link.end = following.start
    found[-1].end = size
    return found


class StreamChecker:
    """Compares the granule positions of one stream with the audio in its packets.

    Args:
        first: the stream's first page, whose content names the codec.
    """

    def __init__(self, first: Page | None = None) -> None:
        self._number = first.number if first else -1
        self._granule: int | None = None
        self._codec = packet_codec(first.body) if first else None
        self._pending = b""  # the start of a packet that continues on the next page

    def add(self, page: Page, link: Link) -> None:
        """Check the next page, and record its faults in ``link``."""
        if self._granule is not None:  # the first pages of a broadcast date from its start, long ago
            link.n_lost += max(0, page.number - self._number - 1)
        self._number = page.number
        n_samples = self._count(page)
        if page.granule <= 0 or not page.n_packets:
            return
        if self._codec:
            n_passed = page.granule - (self._granule or 0)
            longest = self._codec.max_samples(page.body)
            n_missing = n_passed - (page.n_packets + 1) * longest if self._granule is not None else 0
            link.gap = link.gap or n_missing > _GAP_S * self._codec.rate
            link.excess = link.excess or (n_samples > n_passed and not page.ends)
        self._granule = page.granule

    def _count(self, page: Page) -> int:
        """Return the number of samples in the packets that end on a page."""
        pending, self._pending = self._pending, b""
        if not self._codec:
            return 0
        n_samples = 0
        for head, ends in packet_heads(page.table, page.body, pending):
            if ends:
                n_samples += self._codec.count(head)
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
                break  # the rest of the page is in the next chunk
            if page is not None:
                yield page
            # look for the next page at the expected position, which is fast, and then anywhere
            expected = page.end - offset if page else 0
            at = expected if content.startswith(_CAPTURE, expected) and expected > at else at + 1
        if not chunk:
            return
        if at < 0:
            at = max(0, len(content) - len(_CAPTURE) + 1)


def _page(content: bytes, at: int, offset: int) -> Page | None:
    """Return the page at ``at`` in the content from ``offset``; None if it is cut, or audio that looks like a page."""
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


_N_HEAD = 2  # bytes of a packet that determine its number of samples


class PacketCodec(Protocol):
    """Counts the samples in a codec's packets, which must be given in order."""

    rate: int

    def max_samples(self, head: bytes) -> int:
        """Return the largest number of samples in a packet similar to one that begins with ``head``."""

    def count(self, head: bytes) -> int:
        """Return the number of samples that the next packet adds."""


class OpusPackets:
    """Packets of Opus, always counted at 48 kHz."""

    rate = 48_000

    def max_samples(self, head: bytes) -> int:
        """Return the number of samples in a packet that begins with ``head``."""
        return self.count(head)

    def count(self, head: bytes) -> int:
        """Return the number of samples in a packet."""
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


class VorbisPackets:
    """Packets of Vorbis: each adds a quarter of its block and of the previous block; the first adds nothing.

    Args:
        head: the first 29 bytes of the stream.
    """

    def __init__(self, head: bytes) -> None:
        self.rate = int.from_bytes(head[12:16], "little")
        self._blocks = (1 << (head[28] & 15), 1 << (head[28] >> 4))
        self._previous = 0

    def max_samples(self, head: bytes) -> int:
        """Return half of the size of a long block."""
        return self._blocks[1] // 2

    def count(self, head: bytes) -> int:
        """Return the number of samples that a packet adds; its first bits name a mode, for short or for long blocks."""
        if not head or head[0] & 1:
            return 0  # a header packet
        block = self._blocks[head[0] >> 1 & 1]
        previous, self._previous = self._previous, block
        return previous // 4 + block // 4 if previous else 0


def packet_codec(head: bytes) -> PacketCodec | None:
    """Return the codec of a stream that begins with ``head``; None if it is not supported."""
    if head.startswith(b"OpusHead"):
        return OpusPackets()
    if head.startswith(b"\x01vorbis") and len(head) >= 29:
        return VorbisPackets(head)
    return None


def packet_heads(table: bytes, body: bytes, pending: bytes = b"") -> Iterator[tuple[bytes, bool]]:
    """Yield the first bytes of each packet on a page, and whether the packet ends there.

    Args:
        table: lengths of the page's segments.
        body: content of the page.
        pending: first bytes of the packet that continues from the previous page.
    """
    start = at = 0
    for size in table:
        at += size
        if size < 255:
            yield pending or body[start : start + _N_HEAD], True
            pending, start = b"", at
    if pending or start < at:
        yield pending or body[start : start + _N_HEAD], False
