"""What stands at the beginning of MP3, of raw AAC, and of what a tagger has been at."""

from __future__ import annotations

from typing import BinaryIO

_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"fLaC", b"OggS", b".snd", b"riff", b"caff", b"\x1aE\xdf\xa3")


def looks_like_mpeg(file: BinaryIO) -> bool:
    """Whether a file begins as MP3 and raw AAC do: with a tag, or the eleven set bits of a frame; goes back to 0."""
    head = file.read(3)
    file.seek(0)
    return head == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")


def tagged_start(file: BinaryIO) -> int:
    """Return where a recording begins that has ID3 tags before it though its format knows none; else 0; goes back to 0.

    MP3 and raw AAC are left to FFmpeg, which knows such tags.
    """
    start = _behind_tags(file)
    file.seek(start)
    head = file.read(12)
    file.seek(0)
    return start if start and (head.startswith(_MAGIC) or head[4:8] == b"ftyp") else 0


def states_length(file: BinaryIO) -> bool:
    """Whether an MP3's first frame states its length; else FFmpeg guesses it from the bit rate. Goes back to 0."""
    file.seek(_behind_tags(file))
    frame = file.read(4096)
    file.seek(0)
    return any(tag in frame for tag in (b"Xing", b"Info", b"VBRI"))


def _behind_tags(file: BinaryIO) -> int:
    start = 0
    while True:
        file.seek(start)
        head = file.read(10)
        if len(head) < 10 or not head.startswith(b"ID3"):
            return start
        # a tag's size is four times 7 bits; a footer repeats the header
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        start += 10 + size + (10 if head[5] & 0x10 else 0)
