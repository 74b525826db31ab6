"""One division of a corpus into parts, and the check that the parts have nothing in common that would leak."""

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
"""The groups that two parts may share, and how to read an utterance's group."""


@dataclass(frozen=True)
class Fold:
    """One division of a list of utterances: indices into the list, each part in ascending order."""

    name: str
    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True)
class SharedCounts:
    """Numbers of files, speakers, sessions and texts that two parts have in common.

    None means unknown: no utterance of one part has a speaker (session, text).
    """

    files: int
    speakers: int | None
    sessions: int | None
    texts: int | None


@dataclass(frozen=True)
class Overlap:
    """The overlap of ``test`` with train and validation together, and of ``validation`` with train."""

    test: SharedCounts
    validation: SharedCounts


@dataclass(frozen=True)
class Disjointness:
    """The ``GROUPS`` that parts never share: ``test`` with both other parts, ``validation`` with train."""

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
    """Return a fold of utterances that belong to parts.

    Args:
        utterances: the corpus's list.
        name: name of the fold.
        parts: each utterance's speaker, session, …
        validation: the parts that validate.
        test: the parts that test; all remaining parts train.
    """
    indices = range(len(utterances))
    return Fold(
        name,
        train=tuple(index for index in indices if parts[index] not in validation and parts[index] not in test),
        validation=tuple(index for index in indices if parts[index] in validation),
        test=tuple(index for index in indices if parts[index] in test),
    )


def overlap(fold: Fold, utterances: Sequence[Utterance]) -> Overlap:
    """Count what the parts of a fold share; each result reports these counts."""
    train, validation, test = (
        [utterances[index] for index in part] for part in (fold.train, fold.validation, fold.test)
    )
    return Overlap(test=_count_shared(train + validation, test), validation=_count_shared(train, validation))


def check_fold(fold: Fold, utterances: Sequence[Utterance], disjointness: Disjointness = NEW_SPEAKERS) -> None:
    """Check that a fold can be trained on and does not leak.

    Raises:
        CorpusError: if two parts share what they must not, the validation part is empty, or the training part lacks a
            class of another part.
    """
    trained = {utterances[index].label for index in fold.train}
    if lacking := {utterances[index].label for index in (*fold.validation, *fold.test)} - trained:
        raise CorpusError(
            f"fold {fold.name!r}: no {', no '.join(sorted(lacking))} in the training part",
            "Add utterances of more speakers, or leave the class out.",
        )
    if not fold.validation:
        raise CorpusError(f"fold {fold.name!r}: nothing to validate on")
    counts = overlap(fold, utterances)
    for parts, shared, groups in (
        ("the test part and the others", counts.test, disjointness.test),
        ("the validation and training parts", counts.validation, disjointness.validation),
    ):
        for group in groups:
            if n := getattr(shared, group):
                raise CorpusError(f"fold {fold.name!r}: {parts} share {n} {group[:-1]}(s)", _HINTS.get(group, ""))


_HINTS = {"files": "All utterances of a file must be in one part: cut the file by speaker, or merge its speakers."}


def _count_shared(first: Sequence[Utterance], second: Sequence[Utterance]) -> SharedCounts:
    def in_common(group: Callable[[Utterance], Hashable]) -> int | None:
        left, right = {group(each) for each in first} - {None}, {group(each) for each in second} - {None}
        known = (left and right) or not first or not second
        return len(left & right) if known else None

    counts = {name: in_common(group) for name, group in GROUPS.items()}
    return SharedCounts(files=counts.pop("files") or 0, **counts)
