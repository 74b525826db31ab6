"""What can be wrong with a copy of a corpus, fault by fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError


class FaultKind(StrEnum):
    """What a fault is about."""

    LISTING = "listing"
    """The corpus's own tables or names cannot be read."""
    MISSING = "missing"
    """A recording that the corpus has is not there."""
    EXTRA = "extra"
    """A recording that the corpus does not have is there."""
    UNREADABLE = "unreadable"
    """A recording cannot be decoded to its end, or there is no sound in it."""
    OUTSIDE = "outside"
    """An utterance's times or channel are not in its file."""
    ALTERED = "altered"
    """A recording does not hold what was published under its name."""
    DUPLICATED = "duplicated"
    """The same sound is there twice."""
    MISLABELLED = "mislabelled"
    """A label is none of the corpus's, or the same sound has two, or lies under another's name."""
    LEAKING = "leaking"
    """One speaker or session counts as two, so that a split can share what it must not."""
    COUNT = "count"
    """There are more or fewer utterances than were published."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong; ``path`` is None where it is no single file's."""

    kind: FaultKind
    what: str
    path: Path | None = None


class FaultsError(CorpusError):
    """A corpus is not what it should be; all faults at once, and what could be listed in spite of them.

    ``utterances()`` of a corpus may raise it in place of a plain ``CorpusError``: ``corpora validate`` then goes on
    with the utterances that were found.
    """

    def __init__(self, what: str, hint: str, faults: Sequence[Fault], found: Sequence[Utterance] = ()) -> None:
        more = f" ({len(faults)} faults in all)" if len(faults) > 1 else ""
        super().__init__(f"{what}{more}", hint)
        self.faults = tuple(faults)
        self.found = tuple(found)
