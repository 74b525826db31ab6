"""The root folder of a corpus on this machine, and instructions for users who do not have the corpus yet."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from pcqtool.corpora.base import Corpus
from pcqtool.corpora.release import downloads_of
from pcqtool.errors import CorpusError
from pcqtool.files.display import expand_home

ROOTS_VARIABLE = "PCQTOOL_CORPORA"


def find_root(corpus: type[Corpus], root: str | Path | None = None) -> Path:
    """Return a corpus's root: ``root`` if given, else ``$PCQTOOL_CORPORA/NAME``.

    Raises:
        CorpusError: if it does not exist; the hint explains how to get the corpus and how to pass its folder.
    """
    path = _root_path(corpus, root)
    if not path.exists():
        variable = "" if root is not None else f" ({ROOTS_VARIABLE} is {os.environ[ROOTS_VARIABLE]})"
        raise CorpusError(f"corpus {corpus.name!r}: {path} does not exist{variable}", how_to_get(corpus, root))
    return path


def root_to_create(corpus: type[Corpus], root: str | Path | None = None) -> Path:
    """Return the folder for a corpus, existing or not: ``root`` if given, else ``$PCQTOOL_CORPORA/NAME``.

    Raises:
        CorpusError: if neither is given.
    """
    return _root_path(corpus, root).resolve()


def is_present(corpus: type[Corpus]) -> bool:
    """Whether a corpus is in ``$PCQTOOL_CORPORA``."""
    return bool(os.environ.get(ROOTS_VARIABLE)) and _root_path(corpus, None).exists()


def how_to_get(corpus: type[Corpus], root: str | Path | None = None) -> str:
    """Return instructions: how to download a corpus or where to apply for it, and how to pass its folder."""
    licence = f" ({corpus.licence.rstrip('.')})" if corpus.licence else ""
    if downloads_of(corpus):
        is_variable_needed = root is None and not os.environ.get(ROOTS_VARIABLE)
        first = f"'export {ROOTS_VARIABLE}=~/corpora' and " if is_variable_needed else ""
        at = f" --root {shlex.quote(str(root))}" if root is not None else ""
        return f"Run {first}'pcqtool corpora fetch {corpus.name}{at}'{licence}; or {_how_to_pass(corpus)}."
    source = f"Get it from {corpus.url}{licence}, then " if corpus.url else ""
    pass_it = _how_to_pass(corpus)
    return f"{source}{pass_it}." if source else f"{pass_it[0].upper()}{pass_it[1:]}."


def how_to_apply(corpus: type[Corpus], root: Path | None) -> str:
    """Return instructions for a corpus that its owners give only on application."""
    source = f"Get it from {corpus.url}" if corpus.url else "Get it from its owners"
    folder = root or Path(f"${ROOTS_VARIABLE}", corpus.name)
    return f"{source} ({corpus.licence.rstrip('.') or 'licence unknown'}), and unpack it into {folder}."


def _how_to_pass(corpus: type[Corpus]) -> str:
    return f"pass --root PATH, or set {ROOTS_VARIABLE} to the folder that contains {corpus.name}/"


def _root_path(corpus: type[Corpus], root: str | Path | None) -> Path:
    if root is not None:
        return expand_home(root)
    parent = os.environ.get(ROOTS_VARIABLE, "")
    if not parent:
        raise CorpusError(f"corpus {corpus.name!r}: no folder given", how_to_get(corpus))
    return expand_home(parent) / corpus.name
