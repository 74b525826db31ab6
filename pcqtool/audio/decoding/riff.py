"""The chunks of WAV, RF64, W64, AIFF and CAF files, and the bytes after the last chunk."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

PADDING = 1 << 16  # up to so many zero bytes are padding, as recorders and tapes write it
STRAY = 1 << 10  # up to so many other bytes are not audio: a few hundredths of a second
_TAIL = 1 << 16  # bytes at a file's end that are searched for tags
_GUIDS = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # end of the names of W64's chunks, except "riff" and "list"
_NAMES = (
    b"LIST list id3  ID3  bext cue  fact iXML PEAK peak smpl inst JUNK junk PAD  FLLR DISP _PMX afsp cart axml chna "
    b"levl minf elm1 regn umid SAUR acid strc labl plst note ltxt olym MARK INST MIDI AESD APPL NAME AUTH (c)  ANNO "
    b"COMT"
)
NON_AUDIO = frozenset(_NAMES[at : at + 4] for at in range(0, len(_NAMES), 5))  # names of chunks without audio


class FileChunk(NamedTuple):
    """A chunk: its name, and the byte range of its content according to its header."""

    name: bytes
    start: int
    end: int


@dataclass(frozen=True)
class ChunkFormat:
    """The layout of chunks in a file format."""

    first: int  # position of the first chunk
    audio_name: bytes  # name of the audio chunk
    size: str  # format of a chunk's size, as in ``struct``
    name_bytes: int = 4  # length of a name
    inclusive: bool = False  # whether the size includes name and size
    aligned: int = 2  # chunks are padded to a multiple of so many bytes
    before_audio: int = 0  # bytes in the audio chunk before the audio

    @property
    def header_bytes(self) -> int:
        """Length of name and size."""
        return self.name_bytes + struct.calcsize(self.size)

    def read_chunk(self, file: BinaryIO, at: int) -> FileChunk | None:
        """Read the header of the chunk at a position; None at the file's end."""
        file.seek(at)
        header = file.read(self.header_bytes)
        if len(header) < self.header_bytes:
            return None
        (size,) = struct.unpack(self.size, header[self.name_bytes :])
        start = at + self.header_bytes
        return FileChunk(header[: self.name_bytes], start, (at if self.inclusive else start) + size)

    def next_position(self, chunk: FileChunk) -> int:
        """Return the position of the next chunk."""
        return -(-chunk.end // self.aligned) * self.aligned

    def is_name(self, name: bytes) -> bool:
        """Whether bytes can be a chunk's name."""
        if self.name_bytes == 16:
            return name.endswith(_GUIDS) or name[:4] == b"list"
        return all(0x20 <= byte < 0x7F for byte in name)


RIFF = ChunkFormat(12, b"data", "<I")
RIFX = ChunkFormat(12, b"data", ">I")
W64 = ChunkFormat(40, b"data" + _GUIDS, "<q", name_bytes=16, inclusive=True, aligned=8)
AIFF = ChunkFormat(12, b"SSND", ">I", before_audio=8)
CAF = ChunkFormat(8, b"data", ">q", aligned=1, before_audio=4)


def iter_chunks(file: BinaryIO, layout: ChunkFormat, at: int, size: int) -> Iterator[FileChunk]:
    """Yield the chunks from a position, as long as each is complete and has a valid name."""
    while (
        (chunk := layout.read_chunk(file, at)) and layout.is_name(chunk.name) and at < chunk.start <= chunk.end <= size
    ):
        yield chunk
        at = layout.next_position(chunk)


def end_of_chunks(file: BinaryIO, layout: ChunkFormat, at: int, size: int) -> int:
    """Return the end of the chunks that begin at a position; ``size`` if no audio follows them."""
    for chunk in iter_chunks(file, layout, at, size):
        at = layout.next_position(chunk)
    return size if at >= size or is_not_audio(file, layout, at, size) else at


def is_not_audio(file: BinaryIO, layout: ChunkFormat, at: int, size: int) -> bool:
    """Whether the bytes from a position, which are not a chunk, are padding, a tag or a cut chunk."""
    if size - at <= STRAY:
        return True
    file.seek(at)
    head = file.read(layout.header_bytes)
    if head[:4] in NON_AUDIO or head.startswith((b"ID3", b"APETAGEX")):
        return True
    if size - at > PADDING:
        return False
    file.seek(at)
    return not any(file.read(size - at))


def trailing_tags(file: BinaryIO, layout: ChunkFormat, at: int, size: int) -> int:
    """Return the start of the chunks, at or after a position, that end exactly with the file; ``size`` if none do."""
    first = max(at, size - _TAIL)
    file.seek(first)
    tail = file.read(size - first)
    for offset in range(len(tail) - layout.header_bytes):
        if tail[offset : offset + 4] in NON_AUDIO and (first + offset) % layout.aligned == 0:
            last = first + offset
            for chunk in iter_chunks(file, layout, first + offset, size):
                last = layout.next_position(chunk)
            if last >= size:
                return first + offset
    return size
