"""A corpus as it takes part in a run: which of its utterances, with which labels, under which name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pcqtool.corpora.base import AcceptsLabels, Corpus, Utterance
from pcqtool.corpora.label_map import Names, translate
from pcqtool.corpora.listed import list_utterances
from pcqtool.corpora.sources import CorpusSpec
from pcqtool.errors import CorpusError
from pcqtool.labels import sort_labels

_MARK = ":"  # between a corpus's name and that of a speaker


@dataclass(frozen=True)
class PooledCorpus:
    """A corpus of a pool.

    Attributes:
        name: what it is called in the run.
        corpus: what it says of itself.
        utterances: those that are used, with the labels that they count as.
        renamed: how many utterances of a label count as another one, by both.
        left_out: how many of a label are not used.
    """

    name: str
    corpus: Corpus
    utterances: tuple[Utterance, ...]
    renamed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def particular(self) -> bool:
        """Whether it has classes of its own, and so the same recordings under any name; a manifest may list any."""
        return isinstance(getattr(type(self.corpus), "labels", None), tuple)

    @property
    def origin(self) -> str:
        """Whose speakers these are: a particular corpus is itself under any name."""
        return self.corpus.name if self.particular else self.name

    @property
    def title(self) -> str:
        """The name that people know it by, with its name in the run where that is another."""
        title = self.corpus.title
        return title if self.name == self.corpus.name else f"{title} ({self.name})"

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur."""
        return sort_labels(utterance.label for utterance in self.utterances)

    @property
    def qualified(self) -> list[Utterance]:
        """The utterances, their speakers, sessions and texts known by their corpus: ``emodb:03``."""
        return [
            replace(
                each,
                speaker=_qualify(self.origin, each.speaker),
                session=_qualify(self.origin, each.session),
                text_id=_qualify(self.origin, each.text_id),
            )
            for each in self.utterances
        ]

    @property
    def notes(self) -> list[str]:
        """What became of labels, in words."""
        moved = [f"{n} of {label} count as {other}" for (label, other), n in sorted(self.renamed.items())]
        return moved + [f"{n} of {label} are left out" for label, n in sorted(self.left_out.items())]

    def restricted(self, labels: Collection[str]) -> PooledCorpus:
        """Leave out what has other labels."""
        kept = tuple(each for each in self.utterances if each.label in labels)
        left_out = Counter(each.label for each in self.utterances if each.label not in labels)
        return replace(self, utterances=kept, left_out=dict(Counter(self.left_out) + left_out))

    def describe(self) -> dict[str, Any]:
        """Say what it is, whose, and how much of it is used: JSON values."""
        counts = Counter(each.label for each in self.utterances)
        moved: dict[str, dict[str, int]] = {}
        for (label, other), n in sorted(self.renamed.items()):
            moved.setdefault(label, {})[other] = n
        return {
            "name": self.name,
            "origin": self.origin,
            "particular": self.particular,
            **{what: getattr(self.corpus, what) for what in ("title", "citation", "licence", "url")},
            "n_utterances": len(self.utterances),
            "n_speakers": len({each.speaker for each in self.utterances} - {None}),
            "labels": {label: counts[label] for label in self.labels},
            "renamed": moved,
            "left_out": dict(sorted(self.left_out.items())),
        }


def open_member(source: CorpusSpec, names: Names) -> PooledCorpus:
    """Read a corpus.

    Args:
        source: which, and where.
        names: what its labels count as.

    Raises:
        CorpusError: if it cannot be read, or nothing of it is left.
    """
    corpus = source.open()
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
        raise CorpusError(f"nothing of corpus {source.name!r} is used", "The label map leaves all of its labels out.")
    return PooledCorpus(source.name, corpus, tuple(kept), dict(renamed), dict(left_out))


def learnt_from(provenance: Mapping[str, Any]) -> set[str]:
    """Name the corpora that a model has learnt from, given its provenance, by all names that they have."""
    return {*provenance.get("corpora", ()), *(each["origin"] for each in provenance.get("data", ()))}


def speakers_of(corpus: str, names: Iterable[str]) -> set[str]:
    """Give those of a pool's speakers that are a corpus's, by the names that they have in it."""
    mark = f"{corpus}{_MARK}"
    return {name.removeprefix(mark) for name in names if name.startswith(mark)}


def _qualify(corpus: str, name: str | None) -> str | None:
    return None if name is None else f"{corpus}{_MARK}{name}"
