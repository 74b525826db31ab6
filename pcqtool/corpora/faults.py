"""Faults in a copy of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError


class FaultKind(StrEnum):
    """The kinds of faults."""

    LISTING = "listing"
    """The corpus's tables or file names cannot be read."""
    MISSING = "missing"
    """A recording of the corpus is missing."""
    EXTRA = "extra"
    """A recording does not belong to the corpus."""
    UNREADABLE = "unreadable"
    """A recording cannot be decoded to its end, or is silent."""
    OUTSIDE = "outside"
    """An utterance's times or channel are not in its file."""
    ALTERED = "altered"
    """A recording differs from the published one."""
    DUPLICATED = "duplicated"
    """Two recordings contain the same sound."""
    MISLABELLED = "mislabelled"
    """A label is not one of the corpus's, or the same sound has two labels or another's name."""
    LEAKING = "leaking"
    """One speaker or session has two names, so that both sides of a split can contain it."""
    COUNT = "count"
    """The number of utterances differs from the published one."""


@dataclass(frozen=True)
class Fault:
    """One fault; ``path`` is None if it does not concern a single file."""

    kind: FaultKind
    what: str
    path: Path | None = None


class FaultsError(CorpusError):
    """All faults of a corpus at once, and the utterances that could be listed.

    ``utterances()`` of a corpus may raise it instead of a plain ``CorpusError``: ``corpora validate`` then continues
    with the utterances in ``found``.
    """

    def __init__(self, what: str, hint: str, faults: Sequence[Fault], found: Sequence[Utterance] = ()) -> None:
        more = f" ({len(faults)} faults in all)" if len(faults) > 1 else ""
        super().__init__(f"{what}{more}", hint)
        self.faults = tuple(faults)
        self.found = tuple(found)
