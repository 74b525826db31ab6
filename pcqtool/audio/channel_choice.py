"""How a recording is heard: the one place that decides its tracks, for result tables and corpora alike."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from threading import Lock

from pcqtool.audio import channels
from pcqtool.audio.channels import Hearing
from pcqtool.audio.decoding.recording import Recording
from pcqtool.audio.stereo import survey
from pcqtool.errors import AudioError
from pcqtool.files.display import display_path

HEARING = 2  # to be raised when the same channels of the same recording make other tracks
_KNOWN = 1 << 14  # recordings of several channels, about a kilobyte each


class _Entry:
    """What is known of a recording: a corpus may list a thousand excerpts of one, and have many threads read them."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.hearing: Hearing | None = None


def hear(recording: Recording, mode: str, most_s: float = math.inf) -> Hearing:
    """Decide which tracks a recording has, and what is to be noted of it.

    Several channels are looked through where they are to be mixed, once a process: the whole file decides, whatever
    excerpt of it is wanted.

    Args:
        recording: open; it is not read on.
        mode: ``auto``, ``mix``, ``split`` or the number of one channel.
        most_s: how much of it to look through at most.

    Raises:
        AudioError: it has no channel of that number, or cannot be read.
    """
    if recording.n_channels > 1 and mode in ("auto", "mix"):
        return _look(recording.path, mode == "auto", most_s)
    try:
        return Hearing(channels.tracks_of(mode, recording.n_channels))
    except AudioError as error:
        raise AudioError(f"{display_path(recording.path)}: {error.what}", error.hint) from error


def _look(path: Path, apart: bool, most_s: float) -> Hearing:
    try:
        found = path.stat()
    except OSError:
        return survey(path, apart, most_s)  # which finds the words
    with _lock:
        entry = _entry(path, apart, most_s, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    with entry.lock:
        if entry.hearing is None:
            entry.hearing = survey(path, apart, most_s)
        return entry.hearing


_lock = Lock()


@lru_cache(_KNOWN)
def _entry(*_: object) -> _Entry:
    return _Entry()
