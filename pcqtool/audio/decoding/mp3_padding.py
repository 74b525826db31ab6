"""What stands in an MP3 beside its frames: tags and zeros, before the sound, behind it, and where files were joined."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, cast

from pcqtool.audio.decoding.file_view import Stretch, View, size_of
from pcqtool.audio.decoding.mpeg import n_id3

_PIECE = 1 << 20
_N_APE = 32  # bytes of the header of an APE tag, and of its footer
_APE = b"APETAGEX"
_APE_HAS_NO_FOOTER, _APE_IS_HEADER = 1 << 30, 1 << 29
_KEYS = range(0x20, 0x7F)
_N_ID3V1 = 128
_LYRICS_ENDS = (b"LYRICS200", b"LYRICSEND")


def without_tags(file: BinaryIO) -> BinaryIO:
    """Return an MP3 without its ID3v2 and APE tags, whose pictures look like frames here and there; goes back to 0.

    Raises:
        OSError: the file cannot be read.
    """
    size = size_of(file)
    kept: list[Stretch | bytes] = []
    at = 0
    for tag in sorted([*_id3(file), *_ape(file)]):
        if tag.start < at:  # a piece of the tag before
            continue
        if tag.start > at:
            kept.append(Stretch(at, tag.start))
        at = tag.end
    file.seek(0)
    if at == 0:
        return file
    if at < size:
        kept.append(Stretch(at, size))
    return cast(BinaryIO, View(file, kept))


def n_padding(packet: bytes) -> int:
    """Return how many bytes at the beginning of an MP3's packet are zeros, ID3v1 or lyrics."""
    at = 0
    while at < len(packet):
        rest = packet[at:]
        if rest.startswith(b"TAG"):
            at += _N_ID3V1
        elif rest.startswith(b"LYRICSBEGIN"):
            ends = [found + len(end) for end in _LYRICS_ENDS if (found := rest.find(end)) >= 0]
            at += min(ends, default=len(rest))
        elif rest[0] == 0:
            at += len(rest) - len(rest.lstrip(b"\0"))
        else:
            break
    return min(at, len(packet))


def _id3(file: BinaryIO) -> Iterator[Stretch]:
    for start in _find(file, b"ID3"):
        if n_bytes := n_id3(_read(file, start, 10)):
            yield Stretch(start, start + n_bytes)


def _ape(file: BinaryIO) -> Iterator[Stretch]:
    """APE tags: a header, items and a footer, of which header or footer may be missing; the size leaves out the header.

    A size that leads to no footer or to no item is not believed.
    """
    for start in _find(file, _APE):
        head = _read(file, start, _N_APE)
        if len(head) < _N_APE:
            continue
        version, size, _, flags = struct.unpack_from("<IIII", head, len(_APE))
        if version == 2000 and flags & _APE_IS_HEADER:
            if flags & _APE_HAS_NO_FOOTER or _read(file, start + size, len(_APE)) == _APE:
                yield Stretch(start, start + _N_APE + size)
        elif _N_APE < size <= start + _N_APE:
            first = start + _N_APE - size
            length, _, key = struct.unpack("<IIB", _read(file, first, 9))
            if length < size and key in _KEYS:
                yield Stretch(first, start + _N_APE)


def _read(file: BinaryIO, at: int, n_bytes: int) -> bytes:
    file.seek(at)
    return file.read(n_bytes)


def _find(file: BinaryIO, what: bytes) -> Iterator[int]:
    """Where ``what`` stands; what the caller reads in between does not matter."""
    start, held = 0, b""
    while True:
        piece = _read(file, start + len(held), _PIECE)
        if not piece:
            return
        held += piece
        at = held.find(what)
        while at >= 0:
            yield start + at
            at = held.find(what, at + 1)
        overlap = len(what) - 1
        start, held = start + max(0, len(held) - overlap), held[-overlap:]
