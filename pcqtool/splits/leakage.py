"""The leakage report of a result: what its parts have in common, in counts and in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pcqtool.corpora.base import Utterance
from pcqtool.splits.fold import GROUPS, Fold, Overlap, SharedCounts, overlap
from pcqtool.splits.protocols import Protocol


@dataclass(frozen=True)
class LeakageReport:
    """The overlap of a protocol's parts, which a reader must know before believing a figure.

    Attributes:
        text: the report in words.
        leaks: whether the figure is worthless as a measure for new data.
        speaker_independent: whether no test speaker was in the other parts; None if unknown.
        overlap: the largest count of each group over all folds.
    """

    text: str
    leaks: bool
    speaker_independent: bool | None
    overlap: Overlap

    def to_dict(self) -> dict[str, Any]:
        """Return the entries of ``metrics.json``."""
        return {
            "leakage": self.text,
            "leaks": self.leaks,
            "speaker_independent": self.speaker_independent,
            "overlap": asdict(self.overlap),
        }


def leakage_report(
    protocol: Protocol, folds: Iterable[Fold], utterances: Sequence[Utterance], note: str = ""
) -> LeakageReport:
    """Return the report on folds, which must have the protocol's disjointness.

    Args:
        protocol: the protocol of the evaluation.
        folds: all folds.
        utterances: the list that the folds index into.
        note: a further sentence, for example on test recordings that were used without their labels.
    """
    overlaps = [overlap(fold, utterances) for fold in folds]
    largest = Overlap(_largest([each.test for each in overlaps]), _largest([each.validation for each in overlaps]))
    if protocol.leakage:
        text = f"LEAKS on purpose: {protocol.leakage}; nothing in it may be compared with honest figures. " + _words(
            largest.validation, protocol.name, "Test and training"
        )
    else:
        text = _words(largest.test, protocol.name, "Test and the other parts")
    if protocol.note:
        text = f"{text} {protocol.note}"
    if note:
        text = f"{text} {note}"
    independent = None if largest.test.speakers is None else largest.test.speakers == 0
    return LeakageReport(text, bool(protocol.leakage), independent, largest)


def _largest(counts: Sequence[SharedCounts]) -> SharedCounts:
    """Return the largest count of each group over all folds; None if it is unknown in all."""
    largest = {
        group: max((n for each in counts if (n := getattr(each, group)) is not None), default=None) for group in GROUPS
    }
    return SharedCounts(files=largest.pop("files") or 0, **largest)


def _words(shared: SharedCounts, protocol: str, parts: str) -> str:
    """Describe which groups two parts share and which not."""
    counts = asdict(shared)
    apart = [f"no {group[:-1]}" for group, n in counts.items() if n == 0]
    common = [f"{n} {group if n > 1 else group[:-1]}" for group, n in counts.items() if n]
    unknown = [group for group, n in counts.items() if n is None]
    sentences = [f"{parts} share {_join(apart)}." if apart else ""]
    if common:
        sentences.append(f"They share up to {_join(common)} in a fold, which {protocol} allows.")
    if shared.speakers:
        sentences.append("So it is a poor measure for new speakers.")
    if unknown:
        sentences.append(f"Whether they share {_join(unknown)} is unknown: the corpus does not state it.")
    return " ".join(sentence for sentence in sentences if sentence)


def _join(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
