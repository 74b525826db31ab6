r"""Names of recordings in the tables: one for each real file, whichever path leads to it.

A new table records its root, the folder that its names are relative to. ``name_of`` returns a path's name:
``2024/call.wav`` below the root, ``../other/call.wav`` outside; ``path_of`` is its inverse. A recording that was found
through a symbolic link keeps the link's name, which people have chosen, and the column ``target`` records the name of
the real file: so any other path to the same file leads to the same row.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from pcqtool.audio.discover import FoundFile, discover
from pcqtool.audio.turns import TurnTable
from pcqtool.errors import SettingsError
from pcqtool.files.display import display_path

_file = attrgetter("file")


@dataclass(frozen=True, slots=True)
class Source:
    r"""A recording to be processed.

    Attributes:
        file: its name in the result tables: POSIX slashes, unique, valid UTF-8 (an invalid byte becomes ``\xNN``, a
            backslash becomes two).
        location: its path as text: with a million recordings, ``Path`` objects would take three times as much memory.
        size_bytes: None if it is missing, or is not a regular file.
        mtime: last change, in seconds since 1970; None likewise.
        target: the recording that it links to, named as ``file`` is; None if it is not a link.
        turns: hash of its speakers' turns; None if none were given.
    """

    file: str
    location: str | Path
    size_bytes: int | None
    mtime: float | None
    target: str | None = None
    turns: str | None = None

    @property
    def path(self) -> Path:
        """Where it is located."""
        return Path(self.location)


class FileSignature(NamedTuple):
    """Size, time and turns of a recording: with an equal signature, it has not changed.

    Attributes:
        size_bytes: None if it is missing.
        mtime_us: time of the last change, in microseconds since 1970.
        target: the recording that it links to.
        retry: whether it is to be processed again, although it may not have changed.
        turns: hash of its speakers' turns; None if none were given.
    """

    size_bytes: int | None
    mtime_us: int | None
    target: str | None = None
    retry: bool = False
    turns: str | None = None


def signature_of(source: Source) -> FileSignature:
    """Return an input's signature as the file table has it."""
    mtime_us = None if source.mtime is None else round(source.mtime * 1e6)
    return FileSignature(source.size_bytes, mtime_us, source.target, turns=source.turns)


def name_of(path: str, root: str) -> str:
    r"""Return the name of an absolute path in a table with an absolute root.

    Examples:
        >>> name_of("/data/calls/mon/1.wav", "/data/calls"), name_of("/data/mail/1.wav", "/data/calls")
        ('mon/1.wav', '../mail/1.wav')
    """
    prefix = root if root.endswith(os.sep) else root + os.sep
    if path.startswith(prefix):
        return escape_path(path[len(prefix) :])
    try:
        return escape_path(os.path.relpath(path, root))
    except ValueError:  # on another drive of Windows
        return escape_path(path)


def path_of(name: str, root: str) -> str:
    """Return the absolute path that has a name in a table with this root; the inverse of ``name_of``."""
    return os.path.normpath(os.path.join(root, unescape_path(name)))  # noqa: PTH118


def escape_path(path: str) -> str:
    r"""Return a path as valid UTF-8 with POSIX slashes: an invalid byte becomes ``\xNN``, a backslash becomes two."""
    path = path.replace(os.sep, "/")
    valid = display_path(path.replace("\\", "\\\\"))
    return path if valid == path else valid  # the same object saves memory


def unescape_path(text: str) -> str:
    """Return the path of a text; the inverse of ``escape_path``."""
    if "\\" not in text:
        return text
    raw = re.sub(rb"\\(\\|x([0-9a-f]{2}))", lambda it: bytes.fromhex(it[2].decode()) if it[2] else b"\\", text.encode())
    return os.fsdecode(raw)


def find_sources(inputs: Sequence[str | Path], listed: Iterable[str] | None = None) -> list[Source]:
    """Find recordings, and name them as for a new table.

    Raises:
        SettingsError: as ``discover``.
    """
    found = discover(inputs, listed)
    return name_recordings(found.files, found.root, {})


def name_recordings(
    found: Sequence[FoundFile], root: str, before: Mapping[str, FileSignature], turns: TurnTable | None = None
) -> list[Source]:
    """Name recordings for a table, sorted by name.

    Args:
        found: the recordings, each real file once.
        root: the table's root, an absolute path.
        before: the recordings in the table, by name.
        turns: who speaks when; None if it is unknown.

    Raises:
        SettingsError: if two recordings get the same name, which happens only if the file system changes meanwhile.
    """
    linked = {signature.target: file for file, signature in before.items() if signature.target is not None}
    sources = sorted((_source(one, root, before, linked) for one in found), key=_file)
    for source, following in pairwise(sources):
        if source.file == following.file:
            raise SettingsError(
                f"{display_path(source.location)} and {display_path(following.location)} would both be {source.file}",
                "Run again when no files are changing, or pass their common folder with --root.",
            )
    return sources if turns is None else [replace(source, turns=turns.hash_of(source.file)) for source in sources]


def _source(one: FoundFile, root: str, before: Mapping[str, FileSignature], linked: Mapping[str, str]) -> Source:
    real = name_of(one.real, root)
    if (known := before.get(real)) is not None and known.target is None:
        file = real
    elif real in linked:
        file = linked[real]
    elif one.link is not None and (link := name_of(one.link, root)) not in before:
        file = link
    elif known is not None:  # a link had this name before, and its row stays
        return Source(f"./{real}", one.path, one.size_bytes, one.mtime)
    else:
        file = real
    return Source(file, one.path, one.size_bytes, one.mtime, None if file == real else real)
