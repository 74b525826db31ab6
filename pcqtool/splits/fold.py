"""A division of a corpus into parts, what the parts have in common, and what they must not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError

GROUPS: Mapping[str, Callable[[Utterance], Hashable]] = {
    "files": attrgetter("path"),
    "speakers": attrgetter("speaker"),
    "sessions": attrgetter("session"),
    "texts": attrgetter("text_id"),
}
"""What two parts may share, and where an utterance tells it."""


@dataclass(frozen=True)
class Fold:
    """One division of a list of utterances: indices into the list, each part in ascending order."""

    name: str
    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True)
class Shared:
    """How many files, speakers, sessions and texts two parts have in common.

    None means that it cannot be told, since a part names no speaker (session, text) at all.
    """

    files: int
    speakers: int | None
    sessions: int | None
    texts: int | None


@dataclass(frozen=True)
class Overlap:
    """What ``test`` shares with train and validation together, and what ``validation`` shares with train."""

    test: Shared
    validation: Shared


@dataclass(frozen=True)
class Disjointness:
    """Which of ``GROUPS`` parts never have in common: ``test`` with the two others, ``validation`` with train."""

    test: tuple[str, ...] = ("files", "speakers")
    validation: tuple[str, ...] = ("files", "speakers")


NEW_SPEAKERS: Disjointness = Disjointness()


def make_fold(
    utterances: Sequence[Utterance],
    name: str,
    parts: Sequence[str],
    validation: Collection[str],
    test: Collection[str],
) -> Fold:
    """Make a fold of utterances that have been told apart already.

    Args:
        utterances: the corpus's list.
        name: of the fold.
        parts: which speaker, session, … each utterance belongs to.
        validation: those that validate.
        test: those that test; whoever does neither trains.
    """
    indices = range(len(utterances))
    return Fold(
        name,
        train=tuple(index for index in indices if parts[index] not in validation and parts[index] not in test),
        validation=tuple(index for index in indices if parts[index] in validation),
        test=tuple(index for index in indices if parts[index] in test),
    )


def overlap(fold: Fold, utterances: Sequence[Utterance]) -> Overlap:
    """Count what the parts of a fold share; the figure that is stamped on each result."""
    train, validation, test = (
        [utterances[index] for index in part] for part in (fold.train, fold.validation, fold.test)
    )
    return Overlap(test=_shared(train + validation, test), validation=_shared(train, validation))


def check(fold: Fold, utterances: Sequence[Utterance], promise: Disjointness = NEW_SPEAKERS) -> None:
    """Refuse a fold that cannot be trained on, or would leak.

    Raises:
        CorpusError: if two parts share what they promise not to, nothing is left to validate on, or a class is
            missing in the training part.
    """
    if lacking := {each.label for each in utterances} - {utterances[index].label for index in fold.train}:
        raise CorpusError(
            f"fold {fold.name!r}: no {', no '.join(sorted(lacking))} in the training part",
            "Add utterances of more speakers, or leave the class out.",
        )
    if not fold.validation:
        raise CorpusError(f"fold {fold.name!r}: nothing to validate on")
    counts = overlap(fold, utterances)
    for parts, shared, kept in (
        ("the test part and the others", counts.test, promise.test),
        ("the validation and training parts", counts.validation, promise.validation),
    ):
        for group in kept:
            if n := getattr(shared, group):
                raise CorpusError(f"fold {fold.name!r}: {parts} share {n} {group[:-1]}(s)", _HINTS.get(group, ""))


_HINTS = {"files": "All utterances of a file must be in one part: cut the file by speaker, or merge its speakers."}


def _shared(one: Sequence[Utterance], other: Sequence[Utterance]) -> Shared:
    def in_common(group: Callable[[Utterance], Hashable]) -> int | None:
        left, right = {group(each) for each in one} - {None}, {group(each) for each in other} - {None}
        known = (left and right) or not one or not other
        return len(left & right) if known else None

    counts = {name: in_common(group) for name, group in GROUPS.items()}
    return Shared(files=counts.pop("files") or 0, **counts)
