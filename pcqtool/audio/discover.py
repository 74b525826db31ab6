"""Discovery of recordings in files, folders, patterns and lists; each recording is found once."""

# With a hundred thousand files, strings are several times faster than Path objects.
# ruff: noqa: SIM905, PTH100, PTH110, PTH112, PTH118, PTH120, PTH122, PTH207
from __future__ import annotations

import glob
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

from pcqtool.audio.file_states import FileState, state_of_entry, state_of_path, states_of
from pcqtool.errors import SettingsError
from pcqtool.files.display import display_path

# Recordings in folders; a file that is named explicitly may have any extension.
EXTENSIONS = frozenset(
    ".3g2 .3ga .3gp .aac .ac3 .adts .aif .aifc .aiff .al .alaw .amr .ape .asf .au .avi .awb .bwf .caf .dts .ec3 .eac3 "
    ".f4a .f4v .flac .flv .gsm .loas .m2ts .m4a .m4b .m4r .m4v .mka .mkv .mov .mp1 .mp2 .mp3 .mp4 .mpa .mpeg .mpg .mts "
    ".nist .oga .ogg .ogm .ogv .ogx .opus .paf .pvf .qcp .qt .ra .rf64 .rm .sln .snd .sph .spx .svx .ts .tta .ul .ulaw "
    ".voc .vob .w64 .wav .wave .weba .webm .wma .wmv .wv".split()
)

# Folders in which systems keep deleted files, or thumbnails of their neighbours.
SYSTEM_FOLDERS = frozenset(
    name.lower()
    for name in "$RECYCLE.BIN|RECYCLER|RECYCLED|System Volume Information|#recycle|@Recycle|@Recently-Snapshot|"
    "@eaDir|#snapshot|~snapshot|@tmp|lost+found|__MACOSX|Network Trash Folder|Temporary Items|found.000".split("|")
)

_TEXT_BYTES = bytes({*range(32, 256), *b"\t\n\f\r"} - {127})

_log = logging.getLogger(__name__)

OnSkipped = Callable[[str, str], None]
"""Called with each skipped folder and the reason."""


class FoundFile(NamedTuple):
    """A discovered recording.

    Attributes:
        path: as given; a string, because a million ``Path`` objects would take three times as much memory.
        real: its absolute path without symbolic links; equal for equal files.
        link: the absolute path through which it was found if that contains a symbolic link; None otherwise. Links above
            a given folder, or above the folder of a given file, are another spelling and do not count.
        size_bytes: None if the file does not exist or is not a regular file.
        mtime: last change, in seconds since 1970; None in the same cases.
    """

    path: str
    real: str
    link: str | None
    size_bytes: int | None
    mtime: float | None


@dataclass(frozen=True)
class Discovery:
    """The recordings of all inputs.

    Attributes:
        root: the folder that contains all inputs, absolute and without symbolic links.
        files: the recordings, each once, sorted by real path.
    """

    root: str
    files: tuple[FoundFile, ...]


def discover(
    inputs: Sequence[str | Path],
    listed: Iterable[str] | None = None,
    on_skipped: OnSkipped = lambda folder, reason: None,
) -> Discovery:
    """Find the recordings that inputs and lists refer to.

    Folders are searched recursively, without hidden entries and recycle bins. Folders and unexpanded patterns such as
    ``calls/**/*.wav`` yield files with a known extension, or with the extension in the pattern. A file that is reached
    twice is found once, without a link if one of the paths has none. A broken link, a pipe or a device is found without
    size and mtime: it cannot be read, but must appear in the results.

    Args:
        inputs: files, folders, patterns.
        listed: paths; a missing file is found without size and mtime, and is not an error.
        on_skipped: called for each unreadable folder inside an input.

    Raises:
        SettingsError: an input does not exist or cannot be read, or there are no recordings.
    """
    found = [_from_input(os.fspath(given), on_skipped) for given in inputs]
    found += [_from_list(listed or ())]
    roots = [root for root, files in found if files]
    if not roots:
        raise SettingsError(
            f"no recordings in {', '.join(map(display_path, inputs)) or 'the list'}",
            f"Looked for files ending in {' '.join(sorted(EXTENSIONS))}; a file given by name may have any."
            if inputs
            else "Write one path per line.",
        )
    once: dict[str, FoundFile] = {}
    for file in (file for _, files in found for file in files):
        known = once.get(file.real)
        if known is None or (known.link is not None and (file.link is None or file.link < known.link)):
            once[file.real] = file
    return Discovery(_common_folder(roots), tuple(once[real] for real in sorted(once)))


def _common_folder(folders: Sequence[str]) -> str:
    """Return the folder that contains all of these; the first one if none does (different drives on Windows)."""
    try:
        return os.path.commonpath(folders)
    except ValueError:
        return folders[0]


def _from_input(given: str, on_skipped: OnSkipped) -> tuple[str, list[FoundFile]]:
    """Return the root folder of one input, and its recordings."""
    if "\0" not in given:
        if os.path.isdir(given):
            return os.path.realpath(given), list(_in_folder(given, on_skipped))
        if os.path.exists(given):
            return os.path.realpath(os.path.dirname(os.path.abspath(given))), _files([given], {})
        if glob.has_magic(given):
            return _from_pattern(given, on_skipped)
    raise SettingsError(f"{display_path(given)} does not exist", "Specify existing files, folders or patterns.")


def _from_list(lines: Iterable[str]) -> tuple[str, list[FoundFile]]:
    real_folders: dict[str, str] = {}
    found = _files([line for line in lines if line.strip() and "\0" not in line], real_folders)
    return _common_folder(list(real_folders.values())) if found else "", found


def _from_pattern(pattern: str, on_skipped: OnSkipped) -> tuple[str, list[FoundFile]]:
    """Expand a pattern; folders at ``**`` are searched by :func:`_in_folder`, which is safe from cycles of links."""
    parts = PurePath(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    suffix = PurePath(pattern).suffix
    extension = suffix if suffix and not glob.has_magic(suffix) else None
    recursive = parts.index("**") if "**" in parts else len(parts)
    found: list[FoundFile] = []
    matching: list[str] = []
    for path in sorted(glob.glob(os.path.join("", *parts[:recursive]) or os.curdir)):
        if os.path.isdir(path):
            below = os.path.join(*parts[recursive + 1 :]) if parts[recursive + 1 :] else "*"
            inside = _in_folder(path, on_skipped, extension)
            found += (file for file in inside if PurePath(file.path).match(below))
        elif recursive == len(parts) and _has_extension(path, extension):
            matching.append(path)
    found += _files(matching, {})
    if not found:
        raise SettingsError(
            f"nothing matches {display_path(pattern)}", "Quote the pattern, and check the folder it starts from."
        )
    return os.path.realpath(os.path.join("", *parts[:fixed])), found


def _has_extension(name: str, extension: str | None) -> bool:
    suffix = os.path.splitext(name)[1].lower()
    return suffix in EXTENSIONS or (extension is not None and suffix == extension.lower())


def _files(paths: Sequence[str], real_folders: dict[str, str]) -> list[FoundFile]:
    """Return files that were named, of any extension, existing or not. ``real_folders`` is a cache."""
    found = []
    for path, state in zip(paths, states_of(state_of_path, paths), strict=True):
        folder, name = os.path.split(os.path.abspath(path))
        if folder not in real_folders:
            real_folders[folder] = os.path.realpath(folder)
        lexical = os.path.join(real_folders[folder], name)
        found.append(_found(path, lexical, _real(lexical) if state.is_link else lexical, state))
    return found


def _found(path: str, lexical: str, real: str, state: FileState) -> FoundFile:
    real = path if path == real else real  # the same object: memory
    return FoundFile(path, real, None if lexical == real else lexical, state.size_bytes, state.mtime)


def _real(path: str) -> str:
    """Resolve symbolic links; links in system folders may have invalid targets, which are not resolved."""
    try:
        return os.path.realpath(path)
    except OSError:
        return os.path.abspath(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link to itself is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _in_folder(folder: str, on_skipped: OnSkipped, extension: str | None = None) -> Iterator[FoundFile]:
    """Yield the recordings in a folder, recursively; each real folder is visited once, hidden entries never."""
    root = os.path.realpath(folder)
    pending = deque([(folder, root, root)])
    visited: set[str] = set()
    while pending:
        here, lexical_here, real_here = pending.pop()
        if real_here in visited:
            continue
        visited.add(real_here)
        recordings: list[os.DirEntry[str]] = []
        for entry in _entries(here, None if here == folder else on_skipped):
            if _is_folder(entry):  # a folder's own name has priority over a link's
                add = pending.appendleft if entry.is_symlink() else pending.append
                add((entry.path, os.path.join(lexical_here, entry.name), _real_entry(entry, real_here)))
            elif _has_extension(entry.name, extension) and not _is_typescript(entry):
                recordings.append(entry)
        for entry, state in zip(recordings, states_of(state_of_entry, recordings), strict=True):
            real = _real_entry(entry, real_here)
            yield _found(
                real if entry.path == real else entry.path, os.path.join(lexical_here, entry.name), real, state
            )


def _real_entry(entry: os.DirEntry[str], real_folder: str) -> str:
    """Return the path of a folder's entry without symbolic links."""
    return _real(entry.path) if entry.is_symlink() else os.path.join(real_folder, entry.name)


def _is_typescript(entry: os.DirEntry[str]) -> bool:
    """Whether a file ending in ``.ts`` is text, not an MPEG transport stream."""
    if not entry.name.lower().endswith(".ts"):
        return False
    try:
        if not entry.is_file():
            return False
        with Path(entry.path).open("rb") as file:
            head = file.read(1024)
    except OSError:
        return False  # the results must report it
    return bool(head) and not head.translate(None, _TEXT_BYTES)


def _is_skipped(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(".") or (entry.name.lower() in SYSTEM_FOLDERS and _is_folder(entry))


def _entries(folder: str, on_skipped: OnSkipped | None) -> list[os.DirEntry[str]]:
    """List the entries that are not hidden, sorted. Without ``on_skipped``, an unreadable folder is an error."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not _is_skipped(entry)), key=lambda entry: entry.name)
    except OSError as error:
        if on_skipped is None:
            raise SettingsError(
                f"{display_path(folder)} cannot be read ({error.strerror})", "Check its permissions."
            ) from error
        _log.warning("%s cannot be read (%s) and is skipped", display_path(folder), error.strerror)
        on_skipped(display_path(folder), f"the folder cannot be read ({error.strerror})")
        return []
