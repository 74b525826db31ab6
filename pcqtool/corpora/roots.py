"""Where a corpus lies on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from pcqtool.corpora.base import Corpus
from pcqtool.errors import CorpusError

VARIABLE = "PCQTOOL_CORPORA"


def resolve(corpus: type[Corpus], root: str | Path | None = None) -> Path:
    """Find a corpus: ``root`` if given, else ``$PCQTOOL_CORPORA/NAME``.

    Raises:
        CorpusError: if there is nothing, saying how to get the corpus and how to name its folder.
    """
    if root is not None:
        path = Path(root).expanduser()
        if not path.exists():
            raise CorpusError(f"corpus {corpus.name!r}: {path} does not exist", remedy(corpus))
        return path
    parent = os.environ.get(VARIABLE, "")
    if not parent:
        raise CorpusError(f"corpus {corpus.name!r}: no folder given", remedy(corpus))
    path = Path(parent).expanduser() / corpus.name
    if not path.exists():
        raise CorpusError(f"corpus {corpus.name!r}: {path} does not exist ({VARIABLE} is {parent})", remedy(corpus))
    return path


def remedy(corpus: type[Corpus]) -> str:
    """Say where to get a corpus, under which licence, and how to name its folder."""
    licence = f" ({corpus.licence.rstrip('.')})" if corpus.licence else ""
    source = f"Get it from {corpus.url}{licence}, then pass" if corpus.url else f"Pass{licence}"
    return f"{source} --root PATH, or set {VARIABLE} to the folder that holds {corpus.name}/."
