"""Paths of exported files: they mirror the names of recordings, are unique, and never leave their folder."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from pcqtool.exports.text import one_line

_PARENT = "_up"
"""Name of the folder for recordings outside the table's root: ``../day2/a.wav`` becomes ``_up/day2/a``."""

_LONGEST = 180
"""Bytes of a name; file systems allow 255, and a number, a channel and a suffix may follow."""

_UNSAFE = re.compile(r'[\\:*?"<>|]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""


class OutputNames:
    """Names of the exported files of a table's recordings.

    A recording's exports have its name without the suffix: ``mon/call`` for ``mon/call.wav``. If another recording
    differs only in its suffix or in upper and lower case, they have its whole name.

    Args:
        files: names of all recordings of the table.
        to_text: turns a part of a name into text that the format can hold.
    """

    def __init__(self, files: Iterable[str], to_text: Callable[[str], str] = one_line) -> None:
        safe = {file: _safe_path(file, to_text) for file in dict.fromkeys(files)}
        stems = {file: _without_suffix(path) for file, path in safe.items()}
        counts = Counter(map(_key, stems.values()))
        self._taken = {
            _key("/".join(folders))
            for parts in (stem.split("/") for stem in stems.values())
            for folders in (parts[:end] for end in range(1, len(parts)))
        }
        own = set(self._taken)
        self._stems = {
            file: _claim(stem if counts[_key(stem)] == 1 else safe[file], "", own) for file, stem in stems.items()
        }

    def stem(self, file: str) -> str:
        """Return a recording's unique name, with ``/`` and without a suffix."""
        return self._stems[file]

    def path(self, file: str, suffix: str) -> str:
        """Return a relative path that no other call has returned.

        Args:
            file: name of the recording.
            suffix: end of the path, such as ``.ch0.srt``.
        """
        return _claim(self._stems[file], suffix, self._taken)


def _claim(stem: str, suffix: str, taken: set[str]) -> str:
    """Return the path, numbered if it is taken, and take it."""
    path, number = stem + suffix, 1
    while _key(path) in taken:
        number += 1
        path = f"{stem}-{number}{suffix}"
    taken.add(_key(path))
    return path


def _key(path: str) -> str:
    """Return what is equal for paths that are one file on some file system."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _safe_path(file: str, to_text: Callable[[str], str]) -> str:
    """Return a recording's name as a relative path that every file system accepts."""
    parts = [part for part in file.split("/") if part not in ("", ".")]
    return "/".join(_safe_part(part, to_text) for part in parts) or "_"


def _safe_part(part: str, to_text: Callable[[str], str]) -> str:
    if part == "..":
        return _PARENT
    part = _UNSAFE.sub("_", to_text(part)).rstrip(" .")
    if _RESERVED.fullmatch(part):
        part = f"_{part}"
    if len(part.encode()) > _LONGEST:
        suffix = PurePosixPath(part).suffix
        suffix = suffix if len(suffix.encode()) <= 10 else ""
        kept = part.encode()[: _LONGEST - len(suffix.encode())].decode("utf-8", "ignore")
        part = kept.rstrip(" .") + suffix
    return part or "_"


def _without_suffix(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return folder + slash + (PurePosixPath(name).stem.rstrip(" .") or "_")
