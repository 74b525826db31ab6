"""The groups in which a split can leak: speakers, sessions, and what is said."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.faults import Fault, FaultKind

NAMES = {"speaker": "speakers", "session": "sessions", "text_id": "texts"}


def leaking(utterances: Sequence[Utterance]) -> Iterator[Fault]:
    """Name the groups that are one, but count as two: their names differ only in case or in spaces."""
    for group, plural in NAMES.items():
        alike: dict[str, Counter[str]] = defaultdict(Counter)
        for each in utterances:
            name = getattr(each, group)
            if name is not None:
                alike["".join(name.split()).casefold()][name] += 1
        for names in alike.values():
            if len(names) > 1:
                shown = " and ".join(f"{name!r} ({n} utterances)" for name, n in sorted(names.items()))
                yield Fault(FaultKind.LEAKING, f"{plural} {shown} differ only in case or spaces")


def notes(utterances: Sequence[Utterance]) -> Iterator[str]:
    """Say what a split by speakers or sessions shares, and what is not known."""
    for group, plural in NAMES.items():
        n_unknown = sum(getattr(each, group) is None for each in utterances)
        if n_unknown == len(utterances):
            yield f"no {plural} are known"
        elif n_unknown:
            yield f"{n_unknown} of {len(utterances)} utterances have no {plural[:-1]}"
    for inner, outer in (("text_id", "speaker"), ("text_id", "session"), ("speaker", "session")):
        met: dict[str, set[str]] = defaultdict(set)
        for each in utterances:
            if (name := getattr(each, inner)) is not None and (place := getattr(each, outer)) is not None:
                met[name].add(place)
        n_shared = sum(len(places) > 1 for places in met.values())
        if n_shared:
            yield (
                f"{n_shared} of {len(met)} {NAMES[inner]} occur with several {NAMES[outer]}: "
                f"a split by {outer} shares them"
            )
