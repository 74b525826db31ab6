"""Sound that a header does not count: a size too small, one that was too large for 32 bits, a second chunk of sound."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, cast

from pcqtool.audio.decoding import riff
from pcqtool.audio.decoding.file_view import Stretch, View, size_of
from pcqtool.audio.decoding.riff import Chunk, Grammar

_GRAMMARS = {
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
_LARGEST = (1 << 32) - 1
_LONGEST_HEADER = 1 << 20
_MANY = 1000  # chunks before the sound


@dataclass(frozen=True)
class Whole:
    """All of a recording's sound.

    Attributes:
        file: the recording with a header that counts all that can be read.
        note: what its own header counts.
        fault: what cannot be read; None if nothing.
    """

    file: BinaryIO
    note: str | None
    fault: str | None = None


def find(file: BinaryIO) -> Whole | None:
    """Look for sound that an uncompressed recording's header does not count; None if there is none; goes back to 0.

    Behind the sound there may be chunks, tags and padding up to the file's end. What is none of these is sound.
    """
    head = file.read(12)
    size = size_of(file)
    whole = None
    if len(head) == 12 and head[:4] in _AU:
        whole = _find_in_au(file, head, size)
    elif (grammar := _GRAMMARS.get(head[:4])) and (layout := _lay_out(file, grammar, size)):
        whole = _put_right(file, grammar, layout)
    file.seek(0)
    return whole


def joined_ends(file: BinaryIO) -> list[int]:
    """Return where recordings end that were joined into one file; none if it is one; goes back to 0."""
    size = size_of(file)
    starts = [0]
    while (at := _next_recording(file, starts[-1], size)) is not None:
        starts.append(at)
    file.seek(0)
    return [*starts[1:], size] if len(starts) > 1 else []


def _next_recording(file: BinaryIO, at: int, size: int) -> int | None:
    """Where a recording begins that stands behind the chunks of the one at an offset."""
    file.seek(at)
    grammar = _GRAMMARS.get(file.read(4))
    if grammar is None:
        return None
    sound = _up_to_sound(file, grammar, at)[-1:]
    if not sound or not sound[0].start <= sound[0].end < size:
        return None
    at = grammar.behind(sound[0])
    for chunk in riff.walk(file, grammar, at, size):
        if chunk.name in _GRAMMARS:
            break
        at = grammar.behind(chunk)
    file.seek(at)
    head = file.read(12)  # the last one's size may be wrong
    return at if head[:4] in _GRAMMARS and head[8:] in _FORMS else None


def _find_in_au(file: BinaryIO, head: bytes, size: int) -> Whole | None:
    start, n_counted = struct.unpack(_AU[head[:4]] + "II", head[4:12])
    if n_counted == _LARGEST or riff.is_no_sound(file, riff.AIFF, start + n_counted, size):
        return None
    header = head[:8] + b"\xff" * 4  # no length is stated then
    return Whole(_view(file, header, [Stretch(12, size)]), _note(n_counted, size - start))


@dataclass(frozen=True)
class Layout:
    """Where the chunks stand up to the sound, and where all sound stands."""

    before: list[Chunk]
    sound: list[Stretch]


def _lay_out(file: BinaryIO, grammar: Grammar, size: int) -> Layout | None:
    """Find all sound; None if the header counts it."""
    before = _up_to_sound(file, grammar)
    if not before or before[-1].name != grammar.sound:
        return None
    first = before[-1]
    if first.start > _LONGEST_HEADER or not first.start <= first.end < size:
        return None
    # some writers leave out the byte that fills a chunk up
    behind, end = max(
        ((at, riff.end_of_chunks(file, grammar, at, size)) for at in (grammar.behind(first), first.end)),
        key=lambda found: found[1],
    )
    tail = list(riff.walk(file, grammar, behind, size))
    sounding = [first, *(chunk for chunk in tail if chunk.name == grammar.sound)]
    stretches = [Stretch(chunk.start + grammar.before_sound, chunk.end) for chunk in sounding]
    if end < size:
        if tail and tail[-1] is not sounding[-1]:
            stretches.append(Stretch(end, size))
        else:
            stretches[-1] = Stretch(stretches[-1].start, _true_end(file, grammar, sounding[-1].end, size))
    uncounted = len(stretches) > 1 or stretches[0].end != first.end
    return Layout(before, stretches) if uncounted else None


def _up_to_sound(file: BinaryIO, grammar: Grammar, start: int = 0) -> list[Chunk]:
    """The chunks up to the one with the sound, whose size RF64 keeps in another."""
    found: list[Chunk] = []
    at, n_sound = start + grammar.first, None
    while len(found) < _MANY and (chunk := grammar.read(file, at)):
        if chunk.name == b"ds64":
            n_sound = int.from_bytes(file.read(16)[8:], "little")
        if chunk.name == grammar.sound:
            long = n_sound is not None and chunk.end - chunk.start == _LARGEST
            return [*found, chunk._replace(end=chunk.start + (n_sound or 0)) if long else chunk]
        found.append(chunk)
        if chunk.end < chunk.start:
            break
        at = grammar.behind(chunk)
    return found


def _true_end(file: BinaryIO, grammar: Grammar, end: int, size: int) -> int:
    """Where sound ends that goes on behind ``end``: some times 4 GiB later, or else where tags or the file end."""
    if struct.calcsize(grammar.size) == 4:
        for wrapped in range(end + _LARGEST + 1, size + 1, _LARGEST + 1):
            if riff.end_of_chunks(file, grammar, grammar.behind(Chunk(b"", 0, wrapped)), size) == size:
                return wrapped
    return riff.tags_at_the_end(file, grammar, end, size)


def _put_right(file: BinaryIO, grammar: Grammar, layout: Layout) -> Whole:
    """Make a header that counts all."""
    sound = layout.before[-1]
    n_counted = sound.end - sound.start - grammar.before_sound
    n_held = sum(end - start for start, end in layout.sound)
    n_readable = n_held
    file.seek(0)
    header = bytearray(file.read(sound.start + grammar.before_sound))
    if struct.calcsize(grammar.size) == 8:
        _write(header, grammar, sound, n_held)
    elif header.startswith((b"RF64", b"BW64")) or (grammar is riff.RIFF and n_held > _LARGEST - len(header)):
        header = bytearray(_rf64(file, layout.before, n_held))
    else:
        n_readable = min(n_held, _LARGEST - len(header))
        _write(header, grammar, sound, n_readable)
        struct.pack_into(grammar.size, header, 4, len(header) + n_readable - 8)
    fault = None
    if n_readable < n_held:
        fault = f"{n_held - n_readable} bytes of sound cannot be read, for {sound.name.decode()} chunks end at 4 GiB"
    return Whole(_view(file, bytes(header), layout.sound), _note(n_counted, n_held), fault)


def _write(header: bytearray, grammar: Grammar, sound: Chunk, n_held: int) -> None:
    size = n_held + grammar.before_sound + (grammar.header_bytes if grammar.inclusive else 0)
    struct.pack_into(grammar.size, header, sound.start - struct.calcsize(grammar.size), size)
    if grammar is riff.W64:
        struct.pack_into(grammar.size, header, 16, len(header) + n_held)


def _rf64(file: BinaryIO, before: list[Chunk], n_held: int) -> bytes:
    """A header of RF64, whose sizes have 64 bits."""
    form = b""
    for chunk in before:
        if chunk.name == b"fmt ":
            file.seek(chunk.start - 8)
            form = file.read(chunk.end - chunk.start + 8)
    form += bytes(len(form) % 2)
    aligned = max(1, int.from_bytes(form[20:22], "little"))
    sizes = struct.pack("<QQQI", n_held + len(form) + 72, n_held, n_held // aligned, 0)
    return b"RF64" + b"\xff" * 4 + b"WAVEds64" + struct.pack("<I", len(sizes)) + sizes + form + b"data" + b"\xff" * 4


def _view(file: BinaryIO, header: bytes, stretches: list[Stretch]) -> BinaryIO:
    return cast(BinaryIO, View(file, [header, *stretches]))


def _note(n_counted: int, n_held: int) -> str | None:
    """Describe what a header counts; one of 0 was never filled in: the recorder was stopped, or wrote to a pipe."""
    return f"the header counts {n_counted} of {n_held} bytes of sound" if n_counted > 0 else None
