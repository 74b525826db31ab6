"""Headers that do not count all audio: a size that is too small or too large for 32 bits, or a second audio chunk."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, cast

from pcqtool.audio.decoding import riff
from pcqtool.audio.decoding.byte_range import ByteRange, FileView, file_size
from pcqtool.audio.decoding.riff import ChunkFormat, FileChunk

_CHUNK_FORMATS = {
    b"RIFF": riff.RIFF,
    b"RF64": riff.RIFF,
    b"BW64": riff.RIFF,
    b"RIFX": riff.RIFX,
    b"riff": riff.W64,
    b"FORM": riff.AIFF,
    b"caff": riff.CAF,
}
_FORMS = (b"WAVE", b"AIFF", b"AIFC")
_AU = {b".snd": ">", b"dns.": "<"}
_MAX_UINT32 = (1 << 32) - 1
_MAX_HEADER = 1 << 20
_MAX_CHUNKS = 1000  # before the audio


@dataclass(frozen=True)
class RepairedFile:
    """A recording with a header that counts all its audio."""

    file: BinaryIO
    note: str | None  # what the original header counts
    fault: str | None = None  # the audio that cannot be read; None if there is none


def repair_header(file: BinaryIO) -> RepairedFile | None:
    """Return an uncompressed recording with a header that counts all audio; None if its own header does.

    Bytes after the counted audio are audio unless they are chunks, tags or padding. Leaves the position at 0.
    """
    head = file.read(12)
    size = file_size(file)
    repaired = None
    if len(head) == 12 and head[:4] in _AU:
        repaired = _repair_au(file, head, size)
    elif (layout := _CHUNK_FORMATS.get(head[:4])) and (found := _find_audio(file, layout, size)):
        repaired = _repair(file, layout, *found)
    file.seek(0)
    return repaired


def joined_ends(file: BinaryIO) -> list[int]:
    """Return the end of each of several joined recordings; empty if there is only one. Leaves the position at 0."""
    size = file_size(file)
    starts = [0]
    while (at := _next_recording(file, starts[-1], size)) is not None:
        starts.append(at)
    file.seek(0)
    return [*starts[1:], size] if len(starts) > 1 else []


def _next_recording(file: BinaryIO, at: int, size: int) -> int | None:
    """Return the start of the recording that follows the one at a position; None if none does."""
    file.seek(at)
    layout = _CHUNK_FORMATS.get(file.read(4))
    if layout is None:
        return None
    audio = _up_to_audio(file, layout, at)[-1:]
    if not audio or not audio[0].start <= audio[0].end < size:
        return None
    at = layout.next_position(audio[0])
    for chunk in riff.iter_chunks(file, layout, at, size):
        if chunk.name in _CHUNK_FORMATS:
            break
        at = layout.next_position(chunk)
    file.seek(at)
    head = file.read(12)  # the size of the last chunk may be wrong
    return at if head[:4] in _CHUNK_FORMATS and head[8:] in _FORMS else None


def _repair_au(file: BinaryIO, head: bytes, size: int) -> RepairedFile | None:
    start, n_counted = struct.unpack(_AU[head[:4]] + "II", head[4:12])
    if n_counted == _MAX_UINT32 or riff.is_not_audio(file, riff.AIFF, start + n_counted, size):
        return None
    header = head[:8] + b"\xff" * 4  # length unknown
    return RepairedFile(_view(file, header, [ByteRange(12, size)]), _note(n_counted, size - start))


def _find_audio(file: BinaryIO, layout: ChunkFormat, size: int) -> tuple[list[FileChunk], list[ByteRange]] | None:
    """Return the chunks up to the audio, and the ranges of all audio; None if the header counts it."""
    before = _up_to_audio(file, layout)
    if not before or before[-1].name != layout.audio_name:
        return None
    first = before[-1]
    if first.start > _MAX_HEADER or not first.start <= first.end < size:
        return None
    # some writers omit the byte that pads a chunk
    behind, end = max(
        ((at, riff.end_of_chunks(file, layout, at, size)) for at in (layout.next_position(first), first.end)),
        key=lambda found: found[1],
    )
    tail = list(riff.iter_chunks(file, layout, behind, size))
    audio = [first, *(chunk for chunk in tail if chunk.name == layout.audio_name)]
    ranges = [ByteRange(chunk.start + layout.before_audio, chunk.end) for chunk in audio]
    if end < size:
        if tail and tail[-1] is not audio[-1]:
            ranges.append(ByteRange(end, size))
        else:
            ranges[-1] = ByteRange(ranges[-1].start, _true_end(file, layout, audio[-1].end, size))
    uncounted = len(ranges) > 1 or ranges[0].end != first.end
    return (before, ranges) if uncounted else None


def _up_to_audio(file: BinaryIO, layout: ChunkFormat, start: int = 0) -> list[FileChunk]:
    """Return the chunks up to the audio chunk, whose size RF64 stores in another chunk."""
    found: list[FileChunk] = []
    at, n_audio = start + layout.first, None
    while len(found) < _MAX_CHUNKS and (chunk := layout.read_chunk(file, at)):
        if chunk.name == b"ds64":
            n_audio = int.from_bytes(file.read(16)[8:], "little")
        if chunk.name == layout.audio_name:
            long = n_audio is not None and chunk.end - chunk.start == _MAX_UINT32
            return [*found, chunk._replace(end=chunk.start + (n_audio or 0)) if long else chunk]
        found.append(chunk)
        if chunk.end < chunk.start:
            break
        at = layout.next_position(chunk)
    return found


def _true_end(file: BinaryIO, layout: ChunkFormat, end: int, size: int) -> int:
    """Return the true end of audio: multiples of 4 GiB after ``end``, or the start of tags, or the file's end."""
    if struct.calcsize(layout.size) == 4:
        for wrapped in range(end + _MAX_UINT32 + 1, size + 1, _MAX_UINT32 + 1):
            if riff.end_of_chunks(file, layout, layout.next_position(FileChunk(b"", 0, wrapped)), size) == size:
                return wrapped
    return riff.trailing_tags(file, layout, end, size)


def _repair(file: BinaryIO, layout: ChunkFormat, before: list[FileChunk], ranges: list[ByteRange]) -> RepairedFile:
    """Write a header that counts all audio."""
    audio = before[-1]
    n_counted = audio.end - audio.start - layout.before_audio
    n_bytes = sum(end - start for start, end in ranges)
    n_readable = n_bytes
    file.seek(0)
    header = bytearray(file.read(audio.start + layout.before_audio))
    if struct.calcsize(layout.size) == 8:
        _set_size(header, layout, audio, n_bytes)
    elif header.startswith((b"RF64", b"BW64")) or (layout is riff.RIFF and n_bytes > _MAX_UINT32 - len(header)):
        header = bytearray(_rf64(file, before, n_bytes))
    else:
        n_readable = min(n_bytes, _MAX_UINT32 - len(header))
        _set_size(header, layout, audio, n_readable)
        struct.pack_into(layout.size, header, 4, len(header) + n_readable - 8)
    fault = None
    if n_readable < n_bytes:
        fault = f"{n_bytes - n_readable} bytes of audio cannot be read: {audio.name.decode()} chunks end at 4 GiB"
    return RepairedFile(_view(file, bytes(header), ranges), _note(n_counted, n_bytes), fault)


def _set_size(header: bytearray, layout: ChunkFormat, audio: FileChunk, n_bytes: int) -> None:
    size = n_bytes + layout.before_audio + (layout.header_bytes if layout.inclusive else 0)
    struct.pack_into(layout.size, header, audio.start - struct.calcsize(layout.size), size)
    if layout is riff.W64:
        struct.pack_into(layout.size, header, 16, len(header) + n_bytes)


def _rf64(file: BinaryIO, before: list[FileChunk], n_bytes: int) -> bytes:
    """Return a header of RF64, whose sizes have 64 bits."""
    form = b""
    for chunk in before:
        if chunk.name == b"fmt ":
            file.seek(chunk.start - 8)
            form = file.read(chunk.end - chunk.start + 8)
    form += bytes(len(form) % 2)
    aligned = max(1, int.from_bytes(form[20:22], "little"))
    sizes = struct.pack("<QQQI", n_bytes + len(form) + 72, n_bytes, n_bytes // aligned, 0)
    return b"RF64" + b"\xff" * 4 + b"WAVEds64" + struct.pack("<I", len(sizes)) + sizes + form + b"data" + b"\xff" * 4


def _view(file: BinaryIO, header: bytes, ranges: list[ByteRange]) -> BinaryIO:
    return cast(BinaryIO, FileView(file, [header, *ranges]))


def _note(n_counted: int, n_bytes: int) -> str | None:
    """Describe a header's count. Zero was never filled in: the recorder was stopped, or wrote to a pipe."""
    return f"the header counts {n_counted} of {n_bytes} bytes of audio" if n_counted > 0 else None
