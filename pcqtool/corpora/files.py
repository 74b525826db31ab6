"""Utterances of corpora whose file names state the labels, in any folders below the root."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.faults import Fault, FaultKind, FaultsError
from pcqtool.errors import CorpusError

MakeUtterance = Callable[[Path, re.Match[str]], Utterance | None]

_EXTRA_HINT = "Move it elsewhere, or use the corpus 'manifest' for your own recordings."


def find_files(root: Path, *suffixes: str) -> list[Path]:
    """List the files below a folder whose names end in one of ``suffixes`` (in lower case; case is ignored).

    Hidden files and folders, and those that macOS adds to archives (``._name``, ``__MACOSX``), are skipped.
    """
    found = [path for path in root.rglob("*") if path.suffix.lower() in suffixes and path.is_file()]
    return sorted(path for path in found if not any(map(_is_hidden, path.relative_to(root).parts)))


def utterances_from_names(title: str, root: Path, name: str, example: str, make: MakeUtterance) -> list[Utterance]:
    """List the utterances of a corpus of WAV files, sorted by name.

    If two copies of a file exist (some archives contain a folder within a folder of the same name), the one with the
    shorter path counts.

    Args:
        title: the corpus, for messages.
        root: the folder that contains the files, at any depth.
        name: regular expression for the end of a path without its suffix, after a ``/``; case is ignored.
        example: a file name and the meaning of its parts, for messages.
        make: returns the utterance for a path and the match of its name; None leaves the file out. It raises a
            ``CorpusError`` for an impossible name.

    Raises:
        FaultsError: if file names do not match or are impossible, or files with the same name differ.
        CorpusError: if there are no files.
    """
    pattern = re.compile(rf"(?:.*/)?(?P<recording>{name})", re.IGNORECASE)
    first_paths: dict[str, Path] = {}
    found: dict[str, Utterance | None] = {}
    faults: list[tuple[Fault, str]] = []
    for path in sorted(find_files(root, ".wav"), key=lambda path: (len(path.parts), path)):
        match = pattern.fullmatch(path.with_suffix("").as_posix())
        if match is None:
            what = f"does not have a file name of this corpus ({example})"
            faults.append((Fault(FaultKind.EXTRA, what, path), _EXTRA_HINT))
            continue
        key = match["recording"].lower()
        first = first_paths.setdefault(key, path)
        if first.stat().st_size != path.stat().st_size:
            what, hint = f"has the same name as {first}, but differs", "Pass a folder that contains only one of them."
            faults.append((Fault(FaultKind.DUPLICATED, what, path), hint))
        elif first is path:
            try:
                found[key] = make(path, match)
            except CorpusError as error:
                faults.append((Fault(FaultKind.MISLABELLED, error.what, path), error.hint))
    utterances = [each for key in sorted(found) if (each := found[key]) is not None]
    if faults:
        first_fault, hint = faults[0]
        what = f"{title}: {first_fault.path} {first_fault.what}"
        raise FaultsError(what, hint, [fault for fault, _ in faults], utterances)
    if not utterances:
        packed = next(iter(find_files(root, ".zip", ".gz", ".tar", ".rar", ".7z")), None)
        hint = f"Unpack {packed} first." if packed else "Pass the folder of the unpacked archive."
        raise CorpusError(f"{title}: no recordings in {root} ({example})", hint)
    return utterances


def require_recordings(source: str, utterances: list[Utterance], hint: str) -> list[Utterance]:
    """Return the utterances of a table unchanged, after a check that all recordings exist.

    Args:
        source: the corpus or its table, for messages.
        utterances: the utterances that the table lists.
        hint: remedy for missing recordings.

    Raises:
        FaultsError: if recordings are missing.
    """
    missing = [each.path for each in utterances if not each.path.is_file()]
    if missing:
        what = f"{source}: {len(missing)} of {len(utterances)} labelled recordings are missing, first {missing[0]}"
        faults = [Fault(FaultKind.MISSING, "is labelled, but missing", path) for path in missing]
        raise FaultsError(what, hint, faults, utterances)
    return utterances


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"
