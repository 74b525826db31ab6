"""Ogg files that were joined: several recordings one behind the other, of which libsndfile reads the first alone."""

from __future__ import annotations

import os
from typing import BinaryIO


def holds_several_ogg_streams(file: BinaryIO) -> bool:
    """Whether an Ogg file's last page belongs to another stream than its first; goes back to 0.

    Recordings joined into one, or a video: of these libsndfile reads the first alone, and does not say so.
    """
    first = file.read(18)
    file.seek(max(0, file.seek(0, os.SEEK_END) - 2 * 65536))  # a page has at most 65 307 bytes
    tail = file.read()
    file.seek(0)
    last = tail[tail.rfind(b"OggS") :][:18]
    return first.startswith(b"OggS") and len(last) == 18 and last[14:] != first[14:]
