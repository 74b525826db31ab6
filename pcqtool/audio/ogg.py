"""The links of an Ogg file: recordings that were joined one behind the other, each with a beginning of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_PAGE = b"OggS\0"  # capture pattern and version; the next byte says whether the page begins or ends a stream
_BEGINS = 2
_HEADER = 27  # bytes of a page's header before the table of its segments, which has up to 255
_LONGEST = _HEADER + 255
_CHUNK = 1 << 20


class Link(NamedTuple):
    """Where a link stands, in bytes, and how many streams it holds at once: several where there is a picture."""

    start: int
    end: int
    n_streams: int


def is_ogg(file: BinaryIO) -> bool:
    """Whether a file begins with an Ogg page; goes back to 0."""
    head = file.read(len(_PAGE))
    file.seek(0)
    return head == _PAGE


def links(file: BinaryIO) -> list[Link]:
    """Return the links of an Ogg file, at least one; reads it to its end and goes back to 0.

    A link begins with the first pages of its streams, one behind the other. Serial numbers do not tell links apart:
    what was joined may have the same ones, or have them in turn.
    """
    groups: list[list[int]] = []  # start, number of streams
    group_end = -1
    size = 0
    for start, end in _beginnings(file):
        if start == group_end:
            groups[-1][1] += 1
        else:
            groups.append([start, 1])
        group_end = end
    size = file.tell()
    file.seek(0)
    if not groups:
        return [Link(0, size, 1)]
    groups[0][0] = 0
    ends = [*(start for start, _ in groups[1:]), size]
    return [Link(start, end, n_streams) for (start, n_streams), end in zip(groups, ends, strict=True)]


def _beginnings(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Where the pages stand with which streams begin, in order."""
    held, offset = b"", 0
    while True:
        chunk = file.read(_CHUNK)
        content = held + chunk
        whole = len(content) - (_LONGEST if chunk else _HEADER)  # what begins up to here is there completely
        at = content.find(_PAGE)
        while 0 <= at <= whole:
            if content[at + 5] & _BEGINS:
                table = content[at + _HEADER : at + _HEADER + content[at + 26]]
                yield offset + at, offset + at + _HEADER + len(table) + sum(table)
            at = content.find(_PAGE, at + 1)
        if not chunk:
            return
        keep = min(len(content), _LONGEST - 1)
        held, offset = content[len(content) - keep :], offset + len(content) - keep
