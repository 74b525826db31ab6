"""The corpora of a run, pooled: their label maps, their common labels, and names that keep their speakers apart."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pcqtool.corpora.base import AcceptsLabels, Corpus, Utterance
from pcqtool.corpora.label_map import LabelMap, LabelNames, translate
from pcqtool.corpora.registry import list_utterances
from pcqtool.corpora.release import commercial_use_of
from pcqtool.corpora.spec import CorpusSpec
from pcqtool.errors import CorpusError
from pcqtool.labels import sort_labels

_SEPARATOR = ":"  # between a corpus's name and a speaker's


@dataclass(frozen=True)
class PooledCorpus:
    """One corpus of a pool."""

    name: str  # the corpus's name in the run
    corpus: Corpus  # the opened corpus
    utterances: tuple[Utterance, ...]  # the utterances in use, with the labels that the label map assigns
    # number of utterances by (corpus's label, label in the run), where the two differ
    renamed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)  # number of unused utterances by label

    @property
    def has_fixed_labels(self) -> bool:
        """Whether its class states the labels: then it is one published data set; a manifest may list anything."""
        return isinstance(getattr(type(self.corpus), "labels", None), tuple)

    @property
    def origin(self) -> str:
        """The corpus that the speakers belong to: a published data set is the same one under any name in a run."""
        return self.corpus.name if self.has_fixed_labels else self.name

    @property
    def title(self) -> str:
        """The corpus's title, followed by its name in the run if that differs from the registered name."""
        title = self.corpus.title
        return title if self.name == self.corpus.name else f"{title} ({self.name})"

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur."""
        return sort_labels(utterance.label for utterance in self.utterances)

    @property
    def prefixed_utterances(self) -> list[Utterance]:
        """The utterances; the names of speakers, sessions and texts start with the corpus: ``emodb:03``."""
        return [
            replace(
                each,
                speaker=_prefixed(self.origin, each.speaker),
                session=_prefixed(self.origin, each.session),
                text_id=_prefixed(self.origin, each.text_id),
            )
            for each in self.utterances
        ]

    @property
    def label_changes(self) -> list[str]:
        """Sentences on renamed and unused labels."""
        renamed = [f"{n} of {label} count as {other}" for (label, other), n in sorted(self.renamed.items())]
        return renamed + [f"{n} of {label} are left out" for label, n in sorted(self.left_out.items())]

    def restricted_to(self, labels: Collection[str]) -> PooledCorpus:
        """Leave out utterances with other labels."""
        kept = tuple(each for each in self.utterances if each.label in labels)
        left_out = Counter(each.label for each in self.utterances if each.label not in labels)
        return replace(self, utterances=kept, left_out=dict(Counter(self.left_out) + left_out))

    def provenance(self) -> dict[str, Any]:
        """Return the corpus's source and the number of utterances in use, as JSON values."""
        counts = Counter(each.label for each in self.utterances)
        renamed: dict[str, dict[str, int]] = {}
        for (label, other), n in sorted(self.renamed.items()):
            renamed.setdefault(label, {})[other] = n
        return {
            "name": self.name,
            "origin": self.origin,
            "has_fixed_labels": self.has_fixed_labels,
            **{key: getattr(self.corpus, key) for key in ("title", "citation", "licence", "url")},
            "commercial_use": commercial_use_of(self.corpus),
            "n_utterances": len(self.utterances),
            "n_speakers": len({each.speaker for each in self.utterances} - {None}),
            "labels": {label: counts[label] for label in self.labels},
            "renamed": renamed,
            "left_out": dict(sorted(self.left_out.items())),
        }


@dataclass(frozen=True)
class CorpusPool:
    """The corpora of a run.

    Raises:
        CorpusError: if two of them list the same file.
    """

    members: tuple[PooledCorpus, ...]

    def __post_init__(self) -> None:
        check_disjoint_files(self.members)

    @property
    def names(self) -> tuple[str, ...]:
        """The corpora's names in the run."""
        return tuple(member.name for member in self.members)

    @property
    def name(self) -> str:
        """The names joined by ``+``."""
        return "+".join(self.names)

    @property
    def titles(self) -> tuple[str, ...]:
        """The corpora's titles."""
        return tuple(member.title for member in self.members)

    @cached_property
    def utterances(self) -> list[Utterance]:
        """All utterances; in a pool of several corpora, the names of speakers, sessions and texts are prefixed."""
        return self.prefixed_utterances if len(self.members) > 1 else list(self.members[0].utterances)

    @property
    def prefixed_utterances(self) -> list[Utterance]:
        """All utterances, with prefixed names even if there is only one corpus."""
        return [each for member in self.members for each in member.prefixed_utterances]

    @property
    def corpus_of_each(self) -> list[str]:
        """The name of each utterance's corpus."""
        return [member.name for member in self.members for _ in member.utterances]

    @property
    def labels_of_each(self) -> list[tuple[str, ...]]:
        """The labels of each utterance's corpus: any other label was not to be chosen there."""
        return [labels for member in self.members for labels in [member.labels] * len(member.utterances)]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur in any of the corpora."""
        return sort_labels(label for member in self.members for label in member.labels)

    @property
    def label_changes(self) -> list[str]:
        """Renamed and unused labels, one line for each corpus that has any."""
        return [f"{member.name}: {', '.join(member.label_changes)}" for member in self.members if member.label_changes]

    def restricted_to(self, labels: Collection[str]) -> CorpusPool:
        """Leave out utterances with other labels."""
        return CorpusPool(tuple(member.restricted_to(labels) for member in self.members))

    def provenance(self) -> list[dict[str, Any]]:
        """Return each corpus's source and the number of utterances in use, as JSON values."""
        return [member.provenance() for member in self.members]


def open_pool(
    specs: Sequence[CorpusSpec], label_map: LabelMap | None = None, common_classes: bool = False
) -> CorpusPool:
    """Open corpora and list their utterances.

    Args:
        specs: one or more corpora.
        label_map: which label of the run each of their labels becomes.
        common_classes: leave out classes that only some of the corpora have.

    Raises:
        CorpusError: if a corpus cannot be read, or if they list the same file or lack common labels that are asked for.
    """
    members = tuple(open_pooled_corpus(spec, (label_map or LabelMap()).for_corpus(spec.name)) for spec in specs)
    pool = CorpusPool(members)
    if not common_classes or len(members) == 1:
        return pool
    return pool.restricted_to(_common_labels({member.name: member.labels for member in members}))


def open_pooled_corpus(spec: CorpusSpec, names: LabelNames) -> PooledCorpus:
    """Open a corpus, list its utterances and apply a label map.

    Raises:
        CorpusError: if the corpus cannot be read, or no utterance remains.
    """
    corpus = spec.open()
    if names and isinstance(corpus, AcceptsLabels):
        corpus = corpus.accepting(names.keys())
    kept: list[Utterance] = []
    renamed: Counter[tuple[str, str]] = Counter()
    left_out: Counter[str] = Counter()
    for utterance in list_utterances(corpus):
        label = translate(utterance.label, names)
        if label is None:
            left_out[utterance.label] += 1
            continue
        if label != utterance.label:
            renamed[utterance.label, label] += 1
        kept.append(replace(utterance, label=label))
    if not kept:
        raise CorpusError(f"no utterance of corpus {spec.name!r} is used", "The label map leaves out all its labels.")
    return PooledCorpus(spec.name, corpus, tuple(kept), dict(renamed), dict(left_out))


def restrict_to_common_labels(train: CorpusPool, test: CorpusPool) -> tuple[CorpusPool, CorpusPool]:
    """Leave out utterances whose label only one of two pools has.

    Raises:
        CorpusError: if the pools have fewer than two labels in common, or list the same file.
    """
    check_disjoint_files([*train.members, *test.members])
    labels = _common_labels({train.name: train.labels, test.name: test.labels})
    return train.restricted_to(labels), test.restricted_to(labels)


def check_disjoint_files(members: Sequence[PooledCorpus]) -> None:
    """Refuse corpora that list the same file: a model could train on it under one name and be tested on the other.

    Raises:
        CorpusError: if two corpora list the same file.
    """
    if len(members) < 2:
        return
    owners: dict[str, str] = {}
    for member in members:
        for path in sorted({os.path.realpath(each.path) for each in member.utterances}):
            owner = owners.setdefault(path, member.name)
            if owner != member.name:
                raise CorpusError(f"corpora {owner} and {member.name} both list {path}", "Remove it from one of them.")


def training_corpora(provenance: Mapping[str, Any]) -> set[str]:
    """Return the corpora that a model was trained on, by their names in that run and by their origins."""
    return {*provenance.get("corpora", ()), *(each["origin"] for each in provenance.get("data", ()))}


def speakers_of(corpus: str, names: Iterable[str]) -> set[str]:
    """Return the speakers that belong to a corpus, without its prefix, from the prefixed names of a pool."""
    prefix = f"{corpus}{_SEPARATOR}"
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def _prefixed(corpus: str, name: str | None) -> str | None:
    return None if name is None else f"{corpus}{_SEPARATOR}{name}"


def _common_labels(labels: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    common = sort_labels(set.intersection(*(set(each) for each in labels.values())))
    if len(common) < 2:
        what = f"only the label {common[0]}" if common else "no label"
        all_labels = "; ".join(f"{name} has {', '.join(each)}" for name, each in labels.items())
        raise CorpusError(
            f"corpora {' and '.join(labels)} have {what} in common: {all_labels}",
            "Equate some labels in a file for --map.",
        )
    return common
