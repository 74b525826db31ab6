"""The chunks of WAV, RF64, W64, AIFF and CAF files, and what stands behind the last of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

PADDING = 1 << 16  # bytes of zeros up to which they are padding, as recorders and tapes write
STRAY = 1 << 10  # bytes of anything else up to which they are no sound: some hundredths of a second
_TAIL = 1 << 16  # bytes at a file's end in which tags are looked for
_GUIDS = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # how the names of W64's chunks end, all but "riff" and "list"
_NAMES = (
    b"LIST list id3  ID3  bext cue  fact iXML PEAK peak smpl inst JUNK junk PAD  FLLR DISP _PMX afsp cart axml chna "
    b"levl minf elm1 regn umid SAUR acid strc labl plst note ltxt olym MARK INST MIDI AESD APPL NAME AUTH (c)  ANNO "
    b"COMT"
)
NAMES = frozenset(_NAMES[at : at + 4] for at in range(0, len(_NAMES), 5))  # of chunks that hold no sound


class Chunk(NamedTuple):
    """A chunk: its name, and where its content starts and ends by its header."""

    name: bytes
    start: int
    end: int


@dataclass(frozen=True)
class Grammar:
    """How a format writes its chunks.

    Attributes:
        first: where the first chunk stands.
        sound: the name of the one with the sound.
        size: how its size is written, in the notation of ``struct``.
        name_bytes: length of a name.
        inclusive: whether the size counts name and size too.
        aligned: to how many bytes chunks are filled up.
        before_sound: bytes in the chunk with the sound that stand before it.
    """

    first: int
    sound: bytes
    size: str
    name_bytes: int = 4
    inclusive: bool = False
    aligned: int = 2
    before_sound: int = 0

    @property
    def header_bytes(self) -> int:
        """Length of a name and a size."""
        return self.name_bytes + struct.calcsize(self.size)

    def read(self, file: BinaryIO, at: int) -> Chunk | None:
        """Read the header of the chunk at an offset; None at the file's end."""
        file.seek(at)
        header = file.read(self.header_bytes)
        if len(header) < self.header_bytes:
            return None
        (size,) = struct.unpack(self.size, header[self.name_bytes :])
        start = at + self.header_bytes
        return Chunk(header[: self.name_bytes], start, (at if self.inclusive else start) + size)

    def behind(self, chunk: Chunk) -> int:
        """Return where the next chunk stands."""
        return -(-chunk.end // self.aligned) * self.aligned

    def is_name(self, name: bytes) -> bool:
        """Whether bytes can be the name of a chunk."""
        if self.name_bytes == 16:
            return name.endswith(_GUIDS) or name[:4] == b"list"
        return all(0x20 <= byte < 0x7F for byte in name)


RIFF = Grammar(12, b"data", "<I")
RIFX = Grammar(12, b"data", ">I")
W64 = Grammar(40, b"data" + _GUIDS, "<q", name_bytes=16, inclusive=True, aligned=8)
AIFF = Grammar(12, b"SSND", ">I", before_sound=8)
CAF = Grammar(8, b"data", ">q", aligned=1, before_sound=4)


def walk(file: BinaryIO, grammar: Grammar, at: int, size: int) -> Iterator[Chunk]:
    """The chunks from an offset on, as long as each is whole and has a name that may be one."""
    while (chunk := grammar.read(file, at)) and grammar.is_name(chunk.name) and at < chunk.start <= chunk.end <= size:
        yield chunk
        at = grammar.behind(chunk)


def end_of_chunks(file: BinaryIO, grammar: Grammar, at: int, size: int) -> int:
    """Return where chunks end that begin at an offset: at ``size`` if what follows them is padding or no sound."""
    for chunk in walk(file, grammar, at, size):
        at = grammar.behind(chunk)
    return size if at >= size or is_no_sound(file, grammar, at, size) else at


def is_no_sound(file: BinaryIO, grammar: Grammar, at: int, size: int) -> bool:
    """Whether what follows an offset, and is no chunk, is no sound either: padding, a tag, a chunk that was cut."""
    if size - at <= STRAY:
        return True
    file.seek(at)
    head = file.read(grammar.header_bytes)
    if head[:4] in NAMES or head.startswith((b"ID3", b"APETAGEX")):
        return True
    if size - at > PADDING:
        return False
    file.seek(at)
    return not any(file.read(size - at))


def tags_at_the_end(file: BinaryIO, grammar: Grammar, at: int, size: int) -> int:
    """Return where the chunks begin, behind an offset, that lead exactly to the file's end; ``size`` if none do."""
    first = max(at, size - _TAIL)
    file.seek(first)
    tail = file.read(size - first)
    for offset in range(len(tail) - grammar.header_bytes):
        if tail[offset : offset + 4] in NAMES and (first + offset) % grammar.aligned == 0:
            last = first + offset
            for chunk in walk(file, grammar, first + offset, size):
                last = grammar.behind(chunk)
            if last >= size:
                return first + offset
    return size
