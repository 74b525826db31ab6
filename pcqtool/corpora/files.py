"""Corpora that are told by the names of their files, in whatever folders those have come to lie."""

from __future__ import annotations

import re
from pathlib import Path

from pcqtool.errors import CorpusError


def files(root: Path, *suffixes: str) -> list[Path]:
    """List the files below a folder that end in one of ``suffixes`` (lower case), in upper or lower case.

    What macOS leaves behind (``._name``, ``__MACOSX``) and all else that is hidden is passed over.
    """
    found = [path for path in root.rglob("*") if path.suffix.lower() in suffixes and path.is_file()]
    return sorted(path for path in found if not any(map(_is_litter, path.relative_to(root).parts)))


def recordings(title: str, root: Path, name: str, example: str) -> list[tuple[Path, re.Match[str]]]:
    """Find a corpus's WAV files below a folder, sorted by name, each with the match of ``name``.

    A file that is there twice (some archives hold a folder within a folder of the same) counts once: the copy that
    lies less deep.

    Args:
        title: the corpus, for messages.
        root: the folder that holds the files, at any depth.
        name: regular expression for the end of a path without its suffix, after a ``/``; case does not matter.
        example: a name of the corpus, and what its parts are.

    Raises:
        CorpusError: if there are no files, one has another name, or two differ that have the same.
    """
    pattern = re.compile(rf"(?:.*/)?(?P<recording>{name})", re.IGNORECASE)
    found: dict[str, tuple[Path, re.Match[str]]] = {}
    for path in sorted(files(root, ".wav"), key=lambda path: (len(path.parts), path)):
        match = pattern.fullmatch(path.with_suffix("").as_posix())
        if match is None:
            raise CorpusError(
                f"{title}: {path} is not named as its recordings are ({example})",
                "Move it elsewhere, or use the corpus 'manifest' for recordings of your own.",
            )
        first, _ = found.setdefault(match["recording"].lower(), (path, match))
        if first.stat().st_size != path.stat().st_size:
            raise CorpusError(
                f"{title}: {first} and {path} have one name, but differ",
                "Give the folder that holds only one of them.",
            )
    if not found:
        packed = next(iter(files(root, ".zip", ".gz", ".tar", ".rar", ".7z")), None)
        hint = f"Unpack {packed} first." if packed else "Give the folder that its archive was unpacked in."
        raise CorpusError(f"{title}: no recordings in {root} ({example})", hint)
    return [found[key] for key in sorted(found)]


def _is_litter(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"
