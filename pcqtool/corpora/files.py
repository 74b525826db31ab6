"""Corpora that are told by the names of their files, in whatever folders those have come to lie."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.faults import Fault, FaultKind, FaultsError
from pcqtool.errors import CorpusError

Make = Callable[[Path, re.Match[str]], Utterance | None]

MISSING = "labelled, but not there"
_FOREIGN = "Move it elsewhere, or use the corpus 'manifest' for recordings of your own."


def find_files(root: Path, *suffixes: str) -> list[Path]:
    """List the files below a folder that end in one of ``suffixes`` (lower case), in upper or lower case.

    What macOS leaves behind (``._name``, ``__MACOSX``) and all else that is hidden is passed over.
    """
    found = [path for path in root.rglob("*") if path.suffix.lower() in suffixes and path.is_file()]
    return sorted(path for path in found if not any(map(_is_litter, path.relative_to(root).parts)))


def utterances_from_names(title: str, root: Path, name: str, example: str, make: Make) -> list[Utterance]:
    """List a corpus's WAV files below a folder, sorted by name.

    A file that is there twice (some archives hold a folder within a folder of the same) counts once: the copy that
    lies less deep.

    Args:
        title: the corpus, for messages.
        root: the folder that holds the files, at any depth.
        name: regular expression for the end of a path without its suffix, after a ``/``; case does not matter.
        example: a name of the corpus, and what its parts are.
        make: gives the utterance of a path and the match of its name; None for one that is left out. A ``CorpusError``
            says that a name cannot be right.

    Raises:
        FaultsError: if some have another name, are named wrongly, or differ although they have the same name.
        CorpusError: if there are no files.
    """
    pattern = re.compile(rf"(?:.*/)?(?P<recording>{name})", re.IGNORECASE)
    places: dict[str, Path] = {}
    found: dict[str, Utterance | None] = {}
    faults: list[tuple[Fault, str]] = []
    for path in sorted(find_files(root, ".wav"), key=lambda path: (len(path.parts), path)):
        match = pattern.fullmatch(path.with_suffix("").as_posix())
        if match is None:
            what, hint = f"is not named as its recordings are ({example})", _FOREIGN
            faults.append((Fault(FaultKind.EXTRA, what, path), hint))
            continue
        key = match["recording"].lower()
        first = places.setdefault(key, path)
        if first.stat().st_size != path.stat().st_size:
            what, hint = f"has the name of {first}, but differs", "Give the folder that holds only one of them."
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
        hint = f"Unpack {packed} first." if packed else "Give the folder that its archive was unpacked in."
        raise CorpusError(f"{title}: no recordings in {root} ({example})", hint)
    return utterances


def require_recordings(place: str, utterances: list[Utterance], hint: str) -> list[Utterance]:
    """Give utterances back whose recordings are all there.

    Args:
        place: the corpus or its table, for messages.
        utterances: as tables list them.
        hint: what to do where some are missing.

    Raises:
        FaultsError: if some are missing.
    """
    missing = [each.path for each in utterances if not each.path.is_file()]
    if missing:
        what = f"{place}: {len(missing)} of {len(utterances)} labelled recordings are missing, first {missing[0]}"
        raise FaultsError(what, hint, [Fault(FaultKind.MISSING, MISSING, path) for path in missing], utterances)
    return utterances


def _is_litter(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"
