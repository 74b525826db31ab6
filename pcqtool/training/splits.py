"""Which utterances train, validate and test a model, and what the parts have in common."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError


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


Protocol = Callable[[Sequence[Utterance], int], list[Fold]]


def loso(utterances: Sequence[Utterance], seed: int) -> list[Fold]:
    """Leave one speaker out: one fold for each speaker, tested on that speaker and validated on another one.

    The seed sets the order in which speakers validate; each does so exactly once.

    Raises:
        CorpusError: if speakers are unknown or fewer than three, or a training part lacks a class.
    """
    speakers = _speakers(utterances, at_least=3, purpose="leave-one-speaker-out")
    order = random.Random(seed).sample(speakers, len(speakers))  # noqa: S311
    validates = dict(zip(order, order[1:] + order[:1], strict=True))
    return [_by_speaker(utterances, name, {validates[name]}, {name}) for name in speakers]


def holdout(utterances: Sequence[Utterance], seed: int, validation_speakers: int = 1) -> Fold:
    """Keep the utterances of some speakers for validation and train on all others; nothing is left for a test.

    Raises:
        CorpusError: if speakers are unknown or too few, or the training part lacks a class.
    """
    speakers = _speakers(utterances, at_least=validation_speakers + 1, purpose="a speaker-disjoint validation")
    chosen = random.Random(seed).sample(speakers, validation_speakers)  # noqa: S311
    return _by_speaker(utterances, "holdout", set(chosen), set())


PROTOCOLS: dict[str, Protocol] = {"loso": loso}


def overlap(fold: Fold, utterances: Sequence[Utterance]) -> Overlap:
    """Count what the parts of a fold share; the figure that is stamped on each result."""
    train, validation, test = (
        [utterances[index] for index in part] for part in (fold.train, fold.validation, fold.test)
    )
    return Overlap(test=_shared(train + validation, test), validation=_shared(train, validation))


def check(fold: Fold, utterances: Sequence[Utterance], *, speaker_disjoint: bool = True) -> None:
    """Refuse a fold that cannot be trained on, or would leak.

    Raises:
        CorpusError: if two parts share a file, or a speaker where they promise not to, or a class is missing
            in the training part.
    """
    if lacking := {each.label for each in utterances} - {utterances[index].label for index in fold.train}:
        raise CorpusError(
            f"fold {fold.name!r}: no {', no '.join(sorted(lacking))} in the training part",
            "Add utterances of more speakers, or leave the class out.",
        )
    counts = overlap(fold, utterances)
    for parts, shared in (
        ("the test part and the others", counts.test),
        ("the validation and training parts", counts.validation),
    ):
        if shared.files:
            raise CorpusError(
                f"fold {fold.name!r}: {parts} share {shared.files} file(s)",
                "All utterances of a file must be in one part: cut the file by speaker, or merge its speakers.",
            )
        if speaker_disjoint and shared.speakers:
            raise CorpusError(f"fold {fold.name!r}: {parts} share {shared.speakers} speaker(s)")


def _speakers(utterances: Sequence[Utterance], at_least: int, purpose: str) -> list[str]:
    speakers = {utterance.speaker for utterance in utterances if utterance.speaker is not None}
    if unknown := [utterance for utterance in utterances if utterance.speaker is None]:
        raise CorpusError(
            f"{purpose} needs to know the speakers; {len(unknown)} of {len(utterances)} utterances "
            f"have none, first {unknown[0].path}",
            "Add a column 'speaker' to the manifest.",
        )
    if len(speakers) < at_least:
        raise CorpusError(f"{purpose} needs at least {at_least} speakers; this corpus has {len(speakers)}")
    return sorted(speakers)


def _by_speaker(utterances: Sequence[Utterance], name: str, validation: set[str], test: set[str]) -> Fold:
    parts: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for index, utterance in enumerate(utterances):
        part = "test" if utterance.speaker in test else "validation" if utterance.speaker in validation else "train"
        parts[part].append(index)
    fold = Fold(name, **{part: tuple(indices) for part, indices in parts.items()})
    check(fold, utterances)
    return fold


def _shared(one: Sequence[Utterance], other: Sequence[Utterance]) -> Shared:
    def in_common(group: Callable[[Utterance], Hashable]) -> int | None:
        left, right = {group(each) for each in one} - {None}, {group(each) for each in other} - {None}
        known = (left and right) or not one or not other
        return len(left & right) if known else None

    return Shared(
        files=len({each.path for each in one} & {each.path for each in other}),
        speakers=in_common(attrgetter("speaker")),
        sessions=in_common(attrgetter("session")),
        texts=in_common(attrgetter("text_id")),
    )
