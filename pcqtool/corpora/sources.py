"""Which corpora a run is made of, and where they lie: what ``--corpus`` and ``--root`` say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pcqtool.corpora import registry
from pcqtool.corpora.base import Corpus
from pcqtool.corpora.roots import VARIABLE
from pcqtool.errors import CorpusError, SettingsError
from pcqtool.tables.paths import at_home


@dataclass(frozen=True)
class CorpusSpec:
    """A corpus of a run.

    Attributes:
        name: what it is called in the run.
        corpus: what it is registered as.
        root: where it lies; None for where ``PCQTOOL_CORPORA`` says.
    """

    name: str
    corpus: str
    root: Path | None = None

    def open(self) -> Corpus:
        """Open it.

        Raises:
            CorpusError: if it is unknown, broken, or not at that place.
        """
        parent = os.environ.get(VARIABLE, "")
        if self.root is not None or self.name == self.corpus:
            return registry.get(self.corpus, self.root)
        if parent:
            return registry.get(self.corpus, at_home(parent) / self.name)
        raise CorpusError(
            f"corpus {self.name!r}: no folder given",
            f"Pass --root {self.name}=PATH, or set {VARIABLE} to the folder that holds {self.name}/.",
        )


def sources(corpora: Sequence[str], roots: Iterable[str] = ()) -> list[CorpusSpec]:
    """Read what a user says.

    Args:
        corpora: ``NAME`` each, or ``OWN=NAME`` for one that is to be called so: two manifests, say.
        roots: ``NAME=DIR`` each, by the name in the run; or ``DIR`` where there is one corpus alone.

    Raises:
        SettingsError: if two corpora are called the same, or a folder is of none of them.
    """
    names: dict[str, str] = {}
    for text in corpora:
        own, equals, registered = text.partition("=")
        name, corpus = (own, registered) if equals else (text, text)
        if equals and not re.fullmatch(r"[\w.-]+", own):
            raise SettingsError(f"a corpus cannot be called {own!r}", "Letters, digits, '-', '_' and '.' will do.")
        if name in names:
            raise SettingsError(
                f"corpus {name!r} is given twice",
                f"Give one of them a name of its own: --corpus other={corpus} --root other=DIR",
            )
        names[name] = corpus
    places = _places(list(names), roots)
    return [CorpusSpec(name, corpus, places.get(name)) for name, corpus in names.items()]


def _places(names: Sequence[str], roots: Iterable[str]) -> dict[str, Path]:
    places: dict[str, Path] = {}
    for text in roots:
        name, equals, place = text.partition("=")
        if not (equals and name in names):
            if len(names) > 1:
                raise SettingsError(
                    f"--root {text}: of which corpus?", f"Write --root NAME=DIR; the names are {', '.join(names)}."
                )
            name, place = names[0], text
        if name in places:
            raise SettingsError(f"--root is given twice for {name}", "A corpus lies in one folder.")
        if not place:
            raise SettingsError(f"--root {text}: no folder", "Is a variable of the shell not set?")
        places[name] = at_home(place)
    return places
