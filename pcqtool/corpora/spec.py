"""The corpora that a user chooses for a run: the meaning of ``--corpus`` and ``--root``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pcqtool.corpora import registry
from pcqtool.corpora.base import Corpus
from pcqtool.corpora.roots import ROOTS_VARIABLE
from pcqtool.errors import CorpusError, SettingsError
from pcqtool.files.display import expand_home


@dataclass(frozen=True)
class CorpusSpec:
    """A corpus of a run."""

    name: str  # the corpus's name in the run
    corpus: str  # its registered name
    root: Path | None = None  # its folder; None to look in ``PCQTOOL_CORPORA``

    def open(self) -> Corpus:
        """Open the corpus.

        Raises:
            CorpusError: if the corpus is unknown or broken, or its folder does not exist.
        """
        parent = os.environ.get(ROOTS_VARIABLE, "")
        if self.root is not None or self.name == self.corpus:
            return registry.open_corpus(self.corpus, self.root)
        if parent:
            return registry.open_corpus(self.corpus, expand_home(parent) / self.name)
        raise CorpusError(
            f"corpus {self.name!r}: no folder given",
            f"Pass --root {self.name}=PATH, or set {ROOTS_VARIABLE} to the folder that contains {self.name}/.",
        )


def parse_specs(corpora: Sequence[str], roots: Iterable[str] = ()) -> list[CorpusSpec]:
    """Parse the values of ``--corpus`` and ``--root``.

    Args:
        corpora: ``NAME``, or ``NEW=NAME`` to use a corpus under a new name: for two manifests, say.
        roots: ``NAME=DIR``, with the name in the run; or ``DIR`` if there is only one corpus.

    Raises:
        SettingsError: if there is no corpus, two corpora have the same name, or a folder belongs to none of them.
    """
    if not corpora:
        raise SettingsError("no corpus", "Name one or several.")
    names: dict[str, str] = {}
    for text in corpora:
        new, equals, registered = text.partition("=")
        name, corpus = (new, registered) if equals else (text, text)
        if equals and not re.fullmatch(r"[\w.-]+", new):
            raise SettingsError(
                f"{new!r} is not a valid name for a corpus", "Use letters, digits, '-', '_' and '.' only."
            )
        if name in names:
            raise SettingsError(
                f"corpus {name!r} is given twice",
                f"Use one of them under another name: --corpus other={corpus} --root other=DIR",
            )
        names[name] = corpus
    folders = _parse_roots(list(names), roots)
    return [CorpusSpec(name, corpus, folders.get(name)) for name, corpus in names.items()]


def _parse_roots(names: Sequence[str], roots: Iterable[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for text in roots:
        name, equals, folder = text.partition("=")
        if not (equals and name in names):
            if len(names) > 1:
                raise SettingsError(
                    f"--root {text}: for which corpus?", f"Write --root NAME=DIR; the names are {', '.join(names)}."
                )
            name, folder = names[0], text
        if name in folders:
            raise SettingsError(f"--root is given twice for {name}", "A corpus has one folder.")
        if not folder:
            raise SettingsError(f"--root {text}: the folder is missing", "Is a variable of the shell not set?")
        folders[name] = expand_home(folder)
    return folders
