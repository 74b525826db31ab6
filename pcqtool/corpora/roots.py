"""Where a corpus lies on this machine."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from pcqtool.corpora.base import Corpus
from pcqtool.corpora.release import downloads_of
from pcqtool.errors import CorpusError
from pcqtool.tables.paths import at_home

VARIABLE = "PCQTOOL_CORPORA"


def resolve(corpus: type[Corpus], root: str | Path | None = None) -> Path:
    """Find a corpus: ``root`` if given, else ``$PCQTOOL_CORPORA/NAME``.

    Raises:
        CorpusError: if there is nothing, saying how to get the corpus and how to name its folder.
    """
    path = _place(corpus, root)
    if not path.exists():
        inside = "" if root is not None else f" ({VARIABLE} is {os.environ[VARIABLE]})"
        raise CorpusError(f"corpus {corpus.name!r}: {path} does not exist{inside}", remedy(corpus, root))
    return path


def destination(corpus: type[Corpus], root: str | Path | None = None) -> Path:
    """Say where a corpus belongs, whether it is there or not: ``root`` if given, else ``$PCQTOOL_CORPORA/NAME``.

    Raises:
        CorpusError: if neither is given.
    """
    return _place(corpus, root).resolve()


def is_here(corpus: type[Corpus]) -> bool:
    """Whether a corpus lies in ``$PCQTOOL_CORPORA``."""
    return bool(os.environ.get(VARIABLE)) and _place(corpus, None).exists()


def remedy(corpus: type[Corpus], root: str | Path | None = None) -> str:
    """Say what to run to get a corpus, or where to apply for it, and how to name its folder."""
    licence = f" ({corpus.licence.rstrip('.')})" if corpus.licence else ""
    if downloads_of(corpus):
        first = "" if root is not None or os.environ.get(VARIABLE) else f"'export {VARIABLE}=~/corpora' and "
        at = f" --root {shlex.quote(str(root))}" if root is not None else ""
        return f"Run {first}'pcqtool corpora fetch {corpus.name}{at}'{licence}; or {_naming(corpus)}."
    source = f"Get it from {corpus.url}{licence}, then " if corpus.url else ""
    naming = _naming(corpus)
    return f"{source}{naming}." if source else f"{naming[0].upper()}{naming[1:]}."


def _naming(corpus: type[Corpus]) -> str:
    return f"pass --root PATH, or set {VARIABLE} to the folder that holds {corpus.name}/"


def _place(corpus: type[Corpus], root: str | Path | None) -> Path:
    if root is not None:
        return at_home(root)
    parent = os.environ.get(VARIABLE, "")
    if not parent:
        raise CorpusError(f"corpus {corpus.name!r}: no folder given", remedy(corpus))
    return at_home(parent) / corpus.name
