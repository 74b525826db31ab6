"""Utterances of one corpus or of several, with labels that all of them understand."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.label_map import LabelMap
from pcqtool.corpora.member import PooledCorpus, open_member
from pcqtool.corpora.sources import CorpusSpec
from pcqtool.errors import CorpusError
from pcqtool.labels import sort_labels


@dataclass(frozen=True)
class CorpusPool:
    """The corpora of a run.

    Raises:
        CorpusError: if two of them list the same file.
    """

    members: tuple[PooledCorpus, ...]

    def __post_init__(self) -> None:
        check_apart(self.members)

    @property
    def names(self) -> tuple[str, ...]:
        """What the corpora are called."""
        return tuple(member.name for member in self.members)

    @property
    def name(self) -> str:
        """What they are called together."""
        return "+".join(self.names)

    @property
    def titles(self) -> tuple[str, ...]:
        """The names that people know them by."""
        return tuple(member.title for member in self.members)

    @cached_property
    def utterances(self) -> list[Utterance]:
        """All utterances. Where there are several corpora, speakers, sessions and texts bear the corpus's name."""
        return self.qualified if len(self.members) > 1 else list(self.members[0].utterances)

    @property
    def qualified(self) -> list[Utterance]:
        """All utterances, with the corpus's name also where there is only one."""
        return [each for member in self.members for each in member.qualified]

    @property
    def origins(self) -> list[str]:
        """The corpus of each utterance."""
        return [member.name for member in self.members for _ in member.utterances]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur in any of them."""
        return sort_labels(label for member in self.members for label in member.labels)

    @property
    def notes(self) -> list[str]:
        """What became of labels, a line for each corpus in which something did."""
        return [f"{member.name}: {', '.join(member.notes)}" for member in self.members if member.notes]

    def restricted(self, labels: Collection[str]) -> CorpusPool:
        """Leave out what has other labels."""
        return CorpusPool(tuple(member.restricted(labels) for member in self.members))

    def describe(self) -> list[dict[str, Any]]:
        """Say what is in it, for whoever reads a result: JSON values."""
        return [member.describe() for member in self.members]


def open_pool(chosen: Sequence[CorpusSpec], label_map: LabelMap | None = None, all_classes: bool = False) -> CorpusPool:
    """Read corpora.

    Args:
        chosen: one or more.
        label_map: what their labels count as.
        all_classes: keep classes that only some of them have.

    Raises:
        CorpusError: if one cannot be read, they share fewer than two labels, or list the same file.
    """
    members = tuple(open_member(source, (label_map or LabelMap()).of(source.name)) for source in chosen)
    pool = CorpusPool(members)
    if all_classes or len(members) == 1:
        return pool
    return pool.restricted(_common({member.name: member.labels for member in members}))


def share(train: CorpusPool, test: CorpusPool) -> tuple[CorpusPool, CorpusPool]:
    """Leave out what has a label that only one side has.

    Raises:
        CorpusError: if they share fewer than two labels, or list the same file.
    """
    check_apart([*train.members, *test.members])
    labels = _common({train.name: train.labels, test.name: test.labels})
    return train.restricted(labels), test.restricted(labels)


def check_apart(members: Sequence[PooledCorpus]) -> None:
    """Refuse two corpora that list the same file: it could be learnt from under one name and tested under the other.

    Raises:
        CorpusError: if there are two such.
    """
    if len(members) < 2:
        return
    owners: dict[str, str] = {}
    for member in members:
        for path in sorted({os.path.realpath(each.path) for each in member.utterances}):
            owner = owners.setdefault(path, member.name)
            if owner != member.name:
                raise CorpusError(f"corpora {owner} and {member.name} both list {path}", "Take it out of one of them.")


def _common(labels: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    common = sort_labels(set.intersection(*(set(some) for some in labels.values())))
    if len(common) < 2:
        what = f"nothing but {common[0]}" if common else "no label"
        own = "; ".join(f"{name} has {', '.join(some)}" for name, some in labels.items())
        raise CorpusError(
            f"corpora {' and '.join(labels)} share {what}: {own}", "Say in a file for --map what counts as the same."
        )
    return common
