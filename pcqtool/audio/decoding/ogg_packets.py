"""How much sound the packets on Ogg pages hold, by the first bytes of each.

Source: RFC 6716, section 3.1 (Opus); the Vorbis I specification, sections 4.2.2 and 4.3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

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
