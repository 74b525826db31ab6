"""Finding recordings: files, folders, patterns and lists, each recording once and under a name of its own."""

# With a hundred thousand files, strings are several times faster than Path objects.
# ruff: noqa: SIM905, PTH100, PTH110, PTH112, PTH116, PTH114, PTH118, PTH120, PTH122, PTH207
from __future__ import annotations

import glob
import logging
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

from pcqtool.errors import SettingsError

# What is taken from folders; a file that is named outright is taken whatever its ending.
EXTENSIONS = frozenset(
    ".3g2 .3gp .aac .ac3 .aif .aifc .aiff .al .alaw .amr .ape .asf .au .avi .awb .caf .flac .flv .gsm .m4a .m4b .m4v "
    ".mka .mkv .mov .mp2 .mp3 .mp4 .mpeg .mpg .nist .oga .ogg .ogv .opus .rf64 .sln .snd .sph .ul .ulaw .voc .w64 .wav "
    ".wave .webm .wma .wmv .wv".split()
)

_log = logging.getLogger(__name__)

LeftOut = Callable[[str, str], None]
"""Told of a folder that is left out, and why."""


@dataclass(frozen=True, slots=True)
class Source:
    r"""One input file.

    Attributes:
        file: its name in the result tables: relative to the root it was found under, POSIX slashes, unique, valid
            UTF-8 (a byte that is not becomes ``\xNN``, a backslash two).
        place: where it lies, as text: with a million of them, paths would take three times as much memory.
        size_bytes: None if it is not there, or is no regular file.
        mtime: last change, in seconds since 1970; None likewise.
        target: the recording to which it links, named as ``file`` is; None where it is no link.
    """

    file: str
    place: str | Path
    size_bytes: int | None
    mtime: float | None
    target: str | None = None

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(self.place)


class _Found(NamedTuple):
    """A file: the root it was found under, its name below that, and its path, as given and without symbolic links."""

    root: str
    name: str
    path: str
    real: str
    stamp: tuple[int | None, float | None]  # size and time; a whole ``stat`` takes ten times as much memory


def discover(
    inputs: Sequence[str | Path],
    listed: Iterable[str] | None = None,
    on_left_out: LeftOut = lambda folder, reason: None,
) -> list[Source]:
    """Find the recordings that a user means, sorted by ``file``.

    From folders (searched to the bottom, hidden entries left out) and from patterns such as ``calls/**/*.wav`` that no
    shell has expanded come the files with a known extension, or with the one that the pattern spells out. A file
    reached twice appears once. A link that leads nowhere, a pipe or a device is a source without size and mtime: it
    cannot be read, and is to be a row that says so.

    Under one root (the folder given, a file's folder, a pattern's fixed part, the common folder of all listed) names
    are relative to it. With several roots each name starts with the last parts of its root's path, as many as tell
    the roots apart: a name depends on the set of roots, not on what lies there.

    Args:
        inputs: files, folders, patterns.
        listed: lines, each a path; one that is not there is a source without size and mtime, not an error.
        on_left_out: told of each folder inside an input that cannot be read.

    Raises:
        SettingsError: an input does not exist or cannot be read, or there is no recording at all.
    """
    found = [one for given in inputs for one in _from_input(os.fspath(given), on_left_out)]
    found += _from_list(line.rstrip("\r\n") for line in listed or ())
    if not found:
        raise SettingsError(
            f"no recordings in {', '.join(map(shown, inputs)) or 'the list'}",
            f"Looked for files ending in {' '.join(sorted(EXTENSIONS))}; a file given by name may have any.",
        )
    prefixes = _prefixes({one.root for one in found})
    named = sorted(((_valid(prefixes[one.root] + one.name), one) for one in found), key=lambda pair: pair[0])
    seen: set[str] = set()
    sources: list[Source] = []
    for file, one in named:
        if one.real not in seen:
            seen.add(one.real)
            sources.append(Source(file, one.path, *one.stamp))
    return sources


def shown(path: str | Path) -> str:
    r"""A path as text that can be printed and stored: bytes that are not UTF-8 become ``\xNN``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _valid(name: str) -> str:
    """A name as valid UTF-8, different for different names."""
    valid = shown(name.replace("\\", "\\\\"))
    return name if valid == name else valid  # the same object: memory


def _from_input(given: str, on_left_out: LeftOut) -> list[_Found]:
    if os.path.isdir(given):
        return list(_in_folder(given, os.path.abspath(given), on_left_out))
    if os.path.exists(given):
        return [_file(given, os.path.dirname(os.path.abspath(given)), {})]
    if glob.has_magic(given):
        return _from_pattern(given, on_left_out)
    raise SettingsError(f"{shown(given)} does not exist", "Give files, folders or patterns that do.")


def _from_list(lines: Iterable[str]) -> list[_Found]:
    paths = [line for line in lines if line.strip()]
    if not paths:
        return []
    root = os.path.commonpath({os.path.dirname(os.path.abspath(path)) for path in paths})
    real_folders: dict[str, str] = {}
    return [_file(path, root, real_folders) for path in paths]


def _from_pattern(pattern: str, on_left_out: LeftOut) -> list[_Found]:
    """Expand a pattern; behind ``**`` the walk below goes down, which symbolic links cannot lead in circles."""
    parts = PurePath(pattern).parts
    root = os.path.abspath(os.path.join("", *parts[: next(i for i, part in enumerate(parts) if glob.has_magic(part))]))
    ending = PurePath(pattern).suffix
    spelled_out = ending if ending and not glob.has_magic(ending) else None
    deep = parts.index("**") if "**" in parts else len(parts)
    found: list[_Found] = []
    real_folders: dict[str, str] = {}
    for path in sorted(glob.glob(os.path.join("", *parts[:deep]) or os.curdir)):
        if os.path.isdir(path):
            below = os.path.join(*parts[deep + 1 :]) if parts[deep + 1 :] else "*"
            inside = _in_folder(path, root, on_left_out, spelled_out)
            found += (one for one in inside if PurePath(one.path).match(below))
        elif deep == len(parts) and _wanted(path, spelled_out):
            found.append(_file(path, root, real_folders))
    if not found:
        raise SettingsError(
            f"nothing matches {shown(pattern)}", "Quote the pattern, and check the folder it starts from."
        )
    return found


def _wanted(name: str, spelled_out: str | None) -> bool:
    ending = os.path.splitext(name)[1].lower()
    return ending in EXTENSIONS or (spelled_out is not None and ending == spelled_out.lower())


def _file(path: str, root: str, real_folders: dict[str, str]) -> _Found:
    """A file that was named: there or not, whatever its extension. ``real_folders`` remembers those seen before."""
    absolute = os.path.abspath(path)
    folder, name = os.path.split(absolute)
    if folder not in real_folders:
        real_folders[folder] = os.path.realpath(folder)
    real = os.path.realpath(path) if os.path.islink(path) else os.path.join(real_folders[folder], name)
    below = name if folder == root else os.path.relpath(absolute, root)
    return _Found(root, _posix(below), path, path if path == real else real, _stamp(path))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Say whether it is a folder, or links to one; a link that leads to itself does not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _in_folder(folder: str, root: str, on_left_out: LeftOut, spelled_out: str | None = None) -> Iterator[_Found]:
    """Walk a folder to the bottom: all that is wanted and no folder, each real folder once, nothing hidden."""
    to_do = deque([(folder, os.path.realpath(folder), os.path.relpath(folder, root))])
    been: set[str] = set()
    while to_do:
        here, real_here, name_here = to_do.pop()
        if real_here in been:
            continue
        been.add(real_here)
        prefix = "" if name_here == os.curdir else _posix(name_here) + "/"
        for entry in _entries(here, None if here == folder else on_left_out):
            real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(real_here, entry.name)
            path = real if entry.path == real else entry.path
            if _is_folder(entry):
                later = (
                    to_do.appendleft if entry.is_symlink() else to_do.append
                )  # a folder's own name goes before a link's
                later((entry.path, real, prefix + entry.name))
            elif _wanted(entry.name, spelled_out):
                yield _Found(root, prefix + entry.name, path, real, _stamp(entry))


def _entries(folder: str, on_left_out: LeftOut | None) -> list[os.DirEntry[str]]:
    """List what is not hidden, sorted; a folder that was named, and so may not be left out, comes with ``None``."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        if on_left_out is None:
            raise SettingsError(
                f"{shown(folder)} cannot be read ({error.strerror})", "Check its permissions."
            ) from error
        _log.warning("%s cannot be read (%s) and is left out", shown(folder), error.strerror)
        on_left_out(shown(folder), f"the folder cannot be read ({error.strerror})")
        return []


def _stamp(entry: os.DirEntry[str] | str) -> tuple[int | None, float | None]:
    """Give size and time; nothing for a file that is not there, or a pipe or device, which has neither."""
    try:
        state = os.stat(entry) if isinstance(entry, str) else entry.stat()
    except OSError:
        return None, None
    return (state.st_size, state.st_mtime) if stat.S_ISREG(state.st_mode) else (None, None)


def _prefixes(roots: set[str]) -> dict[str, str]:
    """What to put before the names found under each root: nothing for a single root."""
    if len(roots) == 1:
        return dict.fromkeys(roots, "")
    parts = {root: [part for part in PurePath(root).parts if part != PurePath(root).anchor] for root in roots}
    n = 1
    while len({tuple(tail[-n:]) for tail in parts.values()}) < len(roots):
        n += 1
    return {root: "".join(f"{part}/" for part in tail[-n:]) for root, tail in parts.items()}


def _posix(name: str) -> str:
    return name.replace(os.sep, "/")
