"""MP3 and raw AAC: recognition, tags, stated durations and padding; also tags before recordings of other formats."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, cast

from pcqtool.audio.decoding.byte_range import ByteRange, FileView, file_size

_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"fLaC", b"OggS", b".snd", b"riff", b"caff", b"\x1aE\xdf\xa3")
_ID3 = re.compile(rb"ID3[\x02-\x04][\x00-\x0f][\x00-\xff][\x00-\x7f]{4}", re.DOTALL)
# header of a layer III frame with a valid bit rate and sample rate
_FRAME = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x00-\xef]", re.DOTALL)
_N_HEAD = 4096  # bytes in which the first frame header must be
_MPEG_1, _MPEG_2 = 3, 2
_RATES = (44_100, 48_000, 32_000, 0)  # Hz, for MPEG-1; half of them for MPEG-2, a quarter for MPEG-2.5
_VBRI_AT = 36


def looks_like_mpeg(file: BinaryIO) -> bool:
    """Whether a file begins like MP3 or raw AAC: with a tag, or the sync bits of a frame. Leaves the position at 0."""
    head = file.read(3)
    file.seek(0)
    return head == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")


def start_after_tags(file: BinaryIO) -> int:
    """Return the start of a recording after ID3 tags that its format does not allow; 0 if there are none.

    MP3 and raw AAC keep their tags, since FFmpeg supports them. Leaves the position at 0.
    """
    start = _end_of_tags(file)
    file.seek(start)
    head = file.read(12)
    file.seek(0)
    return start if start and (head.startswith(_MAGIC) or head[4:8] == b"ftyp") else 0


def stated_duration_s(file: BinaryIO) -> float | None:
    """Return the duration in seconds that an MP3's first frame states (Xing, Info, VBRI); None if it states none.

    FFmpeg may return a guess from the file's size instead: it ignores frame counts that disagree with the size. Leaves
    the position at 0.
    """
    file.seek(_end_of_tags(file))
    head = file.read(_N_HEAD)
    file.seek(0)
    for found in _FRAME.finditer(head):
        frame = head[found.start() :]
        if stated := _stated_samples(frame):
            n_samples, rate = stated
            return n_samples / rate
    return None


def id3_size(head: bytes) -> int:
    """Return the size of the ID3v2 tag that begins with these ten bytes; 0 if there is none."""
    if not _ID3.match(head):
        return 0
    # the size has four times 7 bits; a footer repeats the header
    size = sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _stated_samples(frame: bytes) -> tuple[int, int] | None:
    """Return the total samples and the rate that a frame states; None if it does not."""
    if len(frame) < 4 or not _RATES[frame[2] >> 2 & 3]:
        return None
    version, mono = frame[1] >> 3 & 3, frame[3] >> 6 == 3
    rate = _RATES[frame[2] >> 2 & 3] >> (0 if version == _MPEG_1 else 1 if version == _MPEG_2 else 2)
    n_frame = 1152 if version == _MPEG_1 else 576
    if frame[_VBRI_AT : _VBRI_AT + 4] == b"VBRI":
        count = frame[_VBRI_AT + 14 : _VBRI_AT + 18]
        return (int.from_bytes(count) * n_frame, rate) if any(count) else None
    side = (17 if mono else 32) if version == _MPEG_1 else (9 if mono else 17)
    for at in (4 + side, 6 + side):  # with or without a checksum before it
        if frame[at : at + 4] in (b"Xing", b"Info"):
            flags, n_frames = int.from_bytes(frame[at + 4 : at + 8]), int.from_bytes(frame[at + 8 : at + 12])
            if not flags & 1 or not n_frames:
                return None
            return max(0, n_frames * n_frame - _n_trimmed(frame, at, flags)), rate
    return None


def _n_trimmed(frame: bytes, at: int, flags: int) -> int:
    """Return the encoder's delay and padding, which decoders drop, from a LAME tag after a Xing tag."""
    at += 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    if frame[at : at + 4] not in (b"LAME", b"Lavf", b"Lavc"):
        return 0
    both = int.from_bytes(frame[at + 21 : at + 24])  # twice 12 bits
    return (both >> 12) + (both & 0xFFF)


def _end_of_tags(file: BinaryIO) -> int:
    start = 0
    while True:
        file.seek(start)
        n_tag = id3_size(file.read(10))
        if not n_tag:
            return start
        start += n_tag


_SEARCH_BLOCK = 1 << 20
_N_APE = 32  # bytes of the header of an APE tag, and of its footer
_APE = b"APETAGEX"
_APE_HAS_NO_FOOTER, _APE_IS_HEADER = 1 << 30, 1 << 29
_KEYS = range(0x20, 0x7F)
_N_ID3V1 = 128
_LYRICS_ENDS = (b"LYRICS200", b"LYRICSEND")


def without_tags(file: BinaryIO) -> BinaryIO:
    """Return an MP3 without its ID3v2 and APE tags, whose pictures may look like frames. Leaves the position at 0.

    Raises:
        OSError: the file cannot be read.
    """
    size = file_size(file)
    kept: list[ByteRange | bytes] = []
    at = 0
    for tag in sorted([*_id3(file), *_ape(file)]):
        if tag.start < at:  # part of the previous tag
            continue
        if tag.start > at:
            kept.append(ByteRange(at, tag.start))
        at = tag.end
    file.seek(0)
    if at == 0:
        return file
    if at < size:
        kept.append(ByteRange(at, size))
    return cast(BinaryIO, FileView(file, kept))


def padding_size(packet: bytes) -> int:
    """Return the number of bytes at the start of an MP3's packet that are zeros, ID3v1 or lyrics."""
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


def _id3(file: BinaryIO) -> Iterator[ByteRange]:
    for start in _find(file, b"ID3"):
        if n_bytes := id3_size(_read(file, start, 10)):
            yield ByteRange(start, start + n_bytes)


def _ape(file: BinaryIO) -> Iterator[ByteRange]:
    """Yield APE tags: header, items and footer. Header or footer may be missing; the size excludes the header.

    A size that does not lead to a footer or to an item is ignored.
    """
    for start in _find(file, _APE):
        head = _read(file, start, _N_APE)
        if len(head) < _N_APE:
            continue
        version, size, _, flags = struct.unpack_from("<IIII", head, len(_APE))
        if version == 2000 and flags & _APE_IS_HEADER:
            if flags & _APE_HAS_NO_FOOTER or _read(file, start + size, len(_APE)) == _APE:
                yield ByteRange(start, start + _N_APE + size)
        elif _N_APE < size <= start + _N_APE:
            first = start + _N_APE - size
            length, _, key = struct.unpack("<IIB", _read(file, first, 9))
            if length < size and key in _KEYS:
                yield ByteRange(first, start + _N_APE)


def _read(file: BinaryIO, at: int, n_bytes: int) -> bytes:
    file.seek(at)
    return file.read(n_bytes)


def _find(file: BinaryIO, pattern: bytes) -> Iterator[int]:
    """Yield the positions of ``pattern``; the caller may read elsewhere in between."""
    start, content = 0, b""
    while True:
        block = _read(file, start + len(content), _SEARCH_BLOCK)
        if not block:
            return
        content += block
        at = content.find(pattern)
        while at >= 0:
            yield start + at
            at = content.find(pattern, at + 1)
        overlap = len(pattern) - 1
        start, content = start + max(0, len(content) - overlap), content[-overlap:]
