"""What is stamped on a result: what its parts had in common, in counts and in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pcqtool.corpora.base import Utterance
from pcqtool.splits.fold import GROUPS, Fold, Overlap, Shared, overlap
from pcqtool.splits.protocols import Protocol


@dataclass(frozen=True)
class LeakageReport:
    """What has to be known of a figure before it is believed.

    Attributes:
        text: in words.
        leaks: whether the figure is worthless as a measure of new data.
        speaker_independent: whether no tested speaker had been heard before; None if that is unknown.
        shared: the most that the parts of any fold have in common.
    """

    text: str
    leaks: bool
    speaker_independent: bool | None
    shared: Overlap

    def to_dict(self) -> dict[str, Any]:
        """Give the stamp as it stands in ``metrics.json``."""
        return {
            "stamp": self.text,
            "leaks": self.leaks,
            "speaker_independent": self.speaker_independent,
            "shared": asdict(self.shared),
        }


_ADAPTED = (
    "ADAPTED: the mean of each test speaker's own recordings was used, without their labels; a speaker who is heard "
    "once does not get this."
)


def leakage_report(
    protocol: Protocol, folds: Iterable[Fold], utterances: Sequence[Utterance], adapted: bool = False
) -> LeakageReport:
    """Make the stamp of a protocol's folds, which must all keep its promise.

    Args:
        protocol: of the evaluation.
        folds: all of them.
        utterances: that the folds count.
        adapted: whether models were adapted to the speakers that they judge.
    """
    overlaps = [overlap(fold, utterances) for fold in folds]
    shared = Overlap(_most([each.test for each in overlaps]), _most([each.validation for each in overlaps]))
    if protocol.leak:
        text = f"LEAKS on purpose: {protocol.leak}; nothing in it may be compared with honest figures. " + _words(
            shared.validation, protocol.name, "Test and training"
        )
    else:
        text = _words(shared.test, protocol.name, "Test and the other parts")
    if protocol.note:
        text = f"{text} {protocol.note}"
    if adapted:
        text = f"{_ADAPTED} {text}"
    independent = None if shared.test.speakers is None else shared.test.speakers == 0
    return LeakageReport(text, bool(protocol.leak), independent, shared)


def _most(counts: Sequence[Shared]) -> Shared:
    """Give the largest count of each group in any fold; None where no fold tells."""
    most = {
        group: max((n for each in counts if (n := getattr(each, group)) is not None), default=None) for group in GROUPS
    }
    return Shared(files=most.pop("files") or 0, **most)


def _words(shared: Shared, protocol: str, parts: str) -> str:
    """Say which groups two parts share and which not."""
    counts = asdict(shared)
    apart = [f"no {group[:-1]}" for group, n in counts.items() if n == 0]
    common = [f"{n} {group if n > 1 else group[:-1]}" for group, n in counts.items() if n]
    unknown = [group for group, n in counts.items() if n is None]
    sentences = [f"{parts} share {_join(apart)}." if apart else ""]
    if common:
        sentences.append(f"They share up to {_join(common)} in a fold, which {protocol} allows.")
    if shared.speakers:
        sentences.append("So it says little about new speakers.")
    if unknown:
        sentences.append(f"Whether they share {_join(unknown)} is unknown: the corpus does not tell.")
    return " ".join(sentence for sentence in sentences if sentence)


def _join(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
