"""The same sound under several names: once too often, with two labels, or in two speakers' names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.faults import Fault, FaultKind
from pcqtool.corpora.validation.contents import AudioSummary

GROUPS = ("speaker", "session")


def repeated(utterances: Sequence[Utterance], contents: Mapping[Path, AudioSummary]) -> Iterator[Fault]:
    """Name each recording that another one repeats, and each stretch that is listed twice."""
    by_path: dict[Path, list[Utterance]] = defaultdict(list)
    stretches: dict[object, Utterance] = {}
    for each in utterances:
        by_path[each.path].append(each)
        first = stretches.setdefault((each.path, each.start_s, each.end_s, each.channel), each)
        if first is not each:
            yield Fault(FaultKind.DUPLICATED, "listed twice", each.path)
            yield from _contradictions(each.path, [each], "its other entry", [first])
    copies: dict[str, list[Path]] = defaultdict(list)
    for path, one in contents.items():
        if one.digest:
            copies[one.digest].append(path)
    for first_path, *others in copies.values():
        for path in others:
            yield Fault(FaultKind.DUPLICATED, f"the same sound as {first_path.name}", path)
            yield from _contradictions(path, by_path[path], first_path.name, by_path[first_path])


def _contradictions(path: Path, ones: list[Utterance], name: str, others: list[Utterance]) -> Iterator[Fault]:
    """Say in what two entries for the same sound differ."""
    if not ones or not others:
        return
    labels, other_labels = _values(ones, "label"), _values(others, "label")
    if labels != other_labels:
        yield Fault(
            FaultKind.MISLABELLED, f"{_list(labels)}, but the same sound is {_list(other_labels)} in {name}", path
        )
    for group in GROUPS:
        values, other_values = _values(ones, group), _values(others, group)
        if values != other_values:
            what = f"{group} {_list(values)}, but {group} {_list(other_values)} has the same sound in {name}"
            yield Fault(FaultKind.LEAKING, what, path)


def _values(utterances: list[Utterance], attribute: str) -> list[str]:
    return sorted({str(getattr(each, attribute)) for each in utterances if getattr(each, attribute) is not None})


def _list(values: list[str]) -> str:
    return ", ".join(values) or "unknown"
