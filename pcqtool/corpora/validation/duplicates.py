"""Duplicates: the same sound under several names, and the same speaker or session under two spellings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.faults import Fault, FaultKind
from pcqtool.corpora.validation.audio_summary import AudioSummary

GROUPS = {"speaker": "speakers", "session": "sessions", "text_id": "texts"}
"""The fields whose values a split may have to keep on one side, and their plurals."""


def duplicate_recordings(utterances: Sequence[Utterance], audio: Mapping[Path, AudioSummary]) -> Iterator[Fault]:
    """Yield a fault for each recording with the sound of another one, and for each excerpt that is listed twice."""
    by_path: dict[Path, list[Utterance]] = defaultdict(list)
    excerpts: dict[object, Utterance] = {}
    for each in utterances:
        by_path[each.path].append(each)
        first = excerpts.setdefault(each.excerpt, each)
        if first is not each:
            yield Fault(FaultKind.DUPLICATED, "is listed twice", each.path)
            yield from _contradictions(each.path, [each], "its other entry", [first])
    copies: dict[str, list[Path]] = defaultdict(list)
    for path, summary in audio.items():
        if summary.digest:
            copies[summary.digest].append(path)
    for first_path, *others in copies.values():
        for path in others:
            yield Fault(FaultKind.DUPLICATED, f"contains the same sound as {first_path.name}", path)
            yield from _contradictions(path, by_path[path], first_path.name, by_path[first_path])


def _contradictions(path: Path, ones: list[Utterance], name: str, others: list[Utterance]) -> Iterator[Fault]:
    """Yield the labels, speakers and sessions in which two entries for the same sound differ."""
    if not ones or not others:
        return
    for field in ("label", "speaker", "session"):
        values, other_values = _values(ones, field), _values(others, field)
        if values != other_values:
            what = f"has the {field} {_join(values)}, but the same sound has {_join(other_values)} in {name}"
            yield Fault(FaultKind.MISLABELLED if field == "label" else FaultKind.LEAKING, what, path)


def ambiguous_names(utterances: Sequence[Utterance]) -> Iterator[Fault]:
    """Yield a fault for names that differ only in case or spaces: a split would not see that they are the same."""
    for field, plural in GROUPS.items():
        spellings: dict[str, Counter[str]] = defaultdict(Counter)
        for each in utterances:
            if (name := getattr(each, field)) is not None:
                spellings["".join(name.split()).casefold()][name] += 1
        for names in spellings.values():
            if len(names) > 1:
                shown = " and ".join(f"{name!r} ({n} utterances)" for name, n in sorted(names.items()))
                yield Fault(FaultKind.LEAKING, f"{plural} {shown} differ only in case or spaces")


def split_notes(utterances: Sequence[Utterance]) -> Iterator[str]:
    """Yield sentences on unknown speakers, sessions and texts, and on those that a split by others cannot separate."""
    for field, plural in GROUPS.items():
        n_unknown = sum(getattr(each, field) is None for each in utterances)
        if n_unknown == len(utterances):
            yield f"no {plural} are known"
        elif n_unknown:
            yield f"{n_unknown} of {len(utterances)} utterances have no {plural[:-1]}"
    for inner, outer in (("text_id", "speaker"), ("text_id", "session"), ("speaker", "session")):
        outer_names: dict[str, set[str]] = defaultdict(set)
        for each in utterances:
            if (name := getattr(each, inner)) is not None and (outer_name := getattr(each, outer)) is not None:
                outer_names[name].add(outer_name)
        n_shared = sum(len(names) > 1 for names in outer_names.values())
        if n_shared:
            yield (
                f"{n_shared} of {len(outer_names)} {GROUPS[inner]} occur with several {GROUPS[outer]}: "
                f"both sides of a split by {outer} contain them"
            )


def _values(utterances: list[Utterance], field: str) -> list[str]:
    return sorted({str(getattr(each, field)) for each in utterances if getattr(each, field) is not None})


def _join(values: list[str]) -> str:
    return ", ".join(values) or "unknown"
