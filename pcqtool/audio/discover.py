"""Finding recordings: files, folders, patterns and lists, each recording once."""

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
from pcqtool.files.display import display_path

# What is taken from folders; a file that is named outright is taken whatever its ending.
EXTENSIONS = frozenset(
    ".3g2 .3ga .3gp .aac .ac3 .adts .aif .aifc .aiff .al .alaw .amr .ape .asf .au .avi .awb .bwf .caf .dts .ec3 .eac3 "
    ".f4a .f4v .flac .flv .gsm .loas .m2ts .m4a .m4b .m4r .m4v .mka .mkv .mov .mp1 .mp2 .mp3 .mp4 .mpa .mpeg .mpg .mts "
    ".nist .oga .ogg .ogm .ogv .ogx .opus .paf .pvf .qcp .qt .ra .rf64 .rm .sln .snd .sph .spx .svx .ts .tta .ul .ulaw "
    ".voc .vob .w64 .wav .wave .weba .webm .wma .wmv .wv".split()
)

# Folders in which systems keep what was thrown away, or small copies of what lies beside them.
LITTER = frozenset(
    name.lower()
    for name in "$RECYCLE.BIN|RECYCLER|RECYCLED|System Volume Information|#recycle|@Recycle|@Recently-Snapshot|"
    "@eaDir|#snapshot|~snapshot|@tmp|lost+found|__MACOSX|Network Trash Folder|Temporary Items|found.000".split("|")
)

_TEXT = bytes({*range(32, 256), *b"\t\n\f\r"} - {127})

_log = logging.getLogger(__name__)

LeftOut = Callable[[str, str], None]
"""Told of a folder that is left out, and why."""


class Found(NamedTuple):
    """A recording that was found.

    Attributes:
        path: where it lies, as given, as text: with a million of them, paths would take three times as much memory.
        real: its absolute path without symbolic links; equal for equal files.
        link: the absolute path by which it was reached where that leads through a symbolic link; None elsewhere. Links
            above a given folder, or above the folder of a given file, are only a way of spelling and do not count.
        size_bytes: None if it is not there, or is no regular file.
        mtime: last change, in seconds since 1970; None likewise.
    """

    path: str
    real: str
    link: str | None
    size_bytes: int | None
    mtime: float | None


@dataclass(frozen=True)
class Discovery:
    """What inputs come to.

    Attributes:
        root: the folder that holds all inputs, absolute and without symbolic links.
        files: the recordings, each once, sorted by real path.
    """

    root: str
    files: tuple[Found, ...]


def discover(
    inputs: Sequence[str | Path],
    listed: Iterable[str] | None = None,
    on_left_out: LeftOut = lambda folder, reason: None,
) -> Discovery:
    """Find the recordings that a user means.

    From folders (searched to the bottom, hidden entries and recycle bins left out) and from patterns such as
    ``calls/**/*.wav`` that no shell has expanded come the files with a known extension, or with the one that the
    pattern spells out. A file that is reached twice appears once, without a link where one of the ways has none. A
    link that leads nowhere, a pipe or a device is found without size and mtime: it cannot be read, and is to be a row
    that says so.

    Args:
        inputs: files, folders, patterns.
        listed: paths; one that is not there is found without size and mtime, and is not an error.
        on_left_out: told of each folder inside an input that cannot be read.

    Raises:
        SettingsError: an input does not exist or cannot be read, or there is no recording at all.
    """
    ways = [_from_input(os.fspath(given), on_left_out) for given in inputs]
    ways += [_from_list(listed or ())]
    roots = [root for root, files in ways if files]
    if not roots:
        raise SettingsError(
            f"no recordings in {', '.join(map(display_path, inputs)) or 'the list'}",
            f"Looked for files ending in {' '.join(sorted(EXTENSIONS))}; a file given by name may have any."
            if inputs
            else "Write a path in each line.",
        )
    once: dict[str, Found] = {}
    for one in (one for _, files in ways for one in files):
        known = once.get(one.real)
        if known is None or (known.link is not None and (one.link is None or one.link < known.link)):
            once[one.real] = one
    return Discovery(_common(roots), tuple(once[real] for real in sorted(once)))


def _common(folders: Sequence[str]) -> str:
    """Return the folder that holds all of these; the first one where nothing does (drives of Windows)."""
    try:
        return os.path.commonpath(folders)
    except ValueError:
        return folders[0]


def _from_input(given: str, on_left_out: LeftOut) -> tuple[str, list[Found]]:
    """Find what one input means, and the folder from which it counts."""
    if "\0" not in given:
        if os.path.isdir(given):
            return os.path.realpath(given), list(_in_folder(given, on_left_out))
        if os.path.exists(given):
            return os.path.realpath(os.path.dirname(os.path.abspath(given))), [_file(given, {})]
        if glob.has_magic(given):
            return _from_pattern(given, on_left_out)
    raise SettingsError(f"{display_path(given)} does not exist", "Give files, folders or patterns that do.")


def _from_list(lines: Iterable[str]) -> tuple[str, list[Found]]:
    real_folders: dict[str, str] = {}
    found = [_file(line, real_folders) for line in lines if line.strip() and "\0" not in line]
    return _common(list(real_folders.values())) if found else "", found


def _from_pattern(pattern: str, on_left_out: LeftOut) -> tuple[str, list[Found]]:
    """Expand a pattern; behind ``**`` the walk below goes down, which symbolic links cannot lead in circles."""
    parts = PurePath(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    ending = PurePath(pattern).suffix
    spelled_out = ending if ending and not glob.has_magic(ending) else None
    deep = parts.index("**") if "**" in parts else len(parts)
    found: list[Found] = []
    real_folders: dict[str, str] = {}
    for path in sorted(glob.glob(os.path.join("", *parts[:deep]) or os.curdir)):
        if os.path.isdir(path):
            below = os.path.join(*parts[deep + 1 :]) if parts[deep + 1 :] else "*"
            inside = _in_folder(path, on_left_out, spelled_out)
            found += (one for one in inside if PurePath(one.path).match(below))
        elif deep == len(parts) and _wanted(path, spelled_out):
            found.append(_file(path, real_folders))
    if not found:
        raise SettingsError(
            f"nothing matches {display_path(pattern)}", "Quote the pattern, and check the folder it starts from."
        )
    return os.path.realpath(os.path.join("", *parts[:fixed])), found


def _wanted(name: str, spelled_out: str | None) -> bool:
    ending = os.path.splitext(name)[1].lower()
    return ending in EXTENSIONS or (spelled_out is not None and ending == spelled_out.lower())


def _file(path: str, real_folders: dict[str, str]) -> Found:
    """A file that was named: there or not, whatever its extension. ``real_folders`` remembers those seen before."""
    folder, name = os.path.split(os.path.abspath(path))
    if folder not in real_folders:
        real_folders[folder] = os.path.realpath(folder)
    lexical = os.path.join(real_folders[folder], name)
    return _found(path, lexical, _real(lexical) if os.path.islink(path) else lexical, path)


def _found(path: str, lexical: str, real: str, entry: os.DirEntry[str] | str) -> Found:
    size_bytes, mtime = _stamp(entry)
    real = path if path == real else real  # the same object: memory
    return Found(path, real, None if lexical == real else lexical, size_bytes, mtime)


def _real(path: str) -> str:
    """Resolve symbolic links; those of a system's own folders may lead to what no path does."""
    try:
        return os.path.realpath(path)
    except OSError:
        return os.path.abspath(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or links to one; a link that leads to itself does not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _in_folder(folder: str, on_left_out: LeftOut, spelled_out: str | None = None) -> Iterator[Found]:
    """Walk a folder to the bottom: all that is wanted and no folder, each real folder once, nothing hidden."""
    root = os.path.realpath(folder)
    to_do = deque([(folder, root, root)])
    been: set[str] = set()
    while to_do:
        here, lexical_here, real_here = to_do.pop()
        if real_here in been:
            continue
        been.add(real_here)
        for entry in _entries(here, None if here == folder else on_left_out):
            lexical = os.path.join(lexical_here, entry.name)
            real = _real(entry.path) if entry.is_symlink() else os.path.join(real_here, entry.name)
            if _is_folder(entry):
                later = (
                    to_do.appendleft if entry.is_symlink() else to_do.append
                )  # a folder's own name goes before a link's
                later((entry.path, lexical, real))
            elif _wanted(entry.name, spelled_out) and not _is_typescript(entry):
                yield _found(real if entry.path == real else entry.path, lexical, real, entry)


def _is_typescript(entry: os.DirEntry[str]) -> bool:
    """Whether a file that ends in ``.ts`` is text, and no MPEG transport stream."""
    if not entry.name.lower().endswith(".ts"):
        return False
    try:
        if not entry.is_file():
            return False
        with Path(entry.path).open("rb") as file:
            head = file.read(1024)
    except OSError:
        return False  # to be a row that says so
    return bool(head) and not head.translate(None, _TEXT)


def _is_litter(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(".") or (entry.name.lower() in LITTER and _is_folder(entry))


def _entries(folder: str, on_left_out: LeftOut | None) -> list[os.DirEntry[str]]:
    """List what is not hidden, sorted; a folder that was named, and so may not be left out, comes with ``None``."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not _is_litter(entry)), key=lambda entry: entry.name)
    except OSError as error:
        if on_left_out is None:
            raise SettingsError(
                f"{display_path(folder)} cannot be read ({error.strerror})", "Check its permissions."
            ) from error
        _log.warning("%s cannot be read (%s) and is left out", display_path(folder), error.strerror)
        on_left_out(display_path(folder), f"the folder cannot be read ({error.strerror})")
        return []


def _stamp(entry: os.DirEntry[str] | str) -> tuple[int | None, float | None]:
    """Return size and time; nothing for a file that is not there, or a pipe or device, which has neither."""
    try:
        state = os.stat(entry) if isinstance(entry, str) else entry.stat()
    except OSError:
        return None, None
    return (state.st_size, state.st_mtime) if stat.S_ISREG(state.st_mode) else (None, None)
