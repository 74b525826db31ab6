"""Whether a list of utterances is one that the tool can use."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from pcqtool.corpora.base import Utterance
from pcqtool.errors import SettingsError
from pcqtool.labels import canonical

MOST_SHOWN = 5  # faults of one attribute

TYPES: dict[str, tuple[type, ...]] = {
    "path": (Path,),
    "label": (str,),
    "speaker": (str,),
    "session": (str,),
    "text_id": (str,),
    "start_s": (int, float),
    "end_s": (int, float),
    "channel": (int,),
}


def faults(utterances: Sequence[Utterance], labels: object, root: Path) -> Iterator[str]:
    """Name what is wrong with utterances of a corpus at ``root``, a handful of each attribute."""
    if not isinstance(labels, tuple) or not all(isinstance(each, str) for each in labels):
        yield f"its labels are {labels!r}, not a tuple of names"
        labels = ()
    counts: Counter[str] = Counter()
    stretches: set[object] = set()
    for each in utterances:
        for attribute, fault in (*_wrong_types(each), *_wrong_place(each, root), *_wrong_values(each, labels)):
            counts[attribute] += 1
            if counts[attribute] <= MOST_SHOWN:
                yield f"{each.path}: {fault}"
        stretch = (each.path, each.start_s, each.end_s, each.channel)
        if stretch in stretches:
            yield f"{each.path}: listed twice"
        stretches.add(stretch)
    for attribute, number in counts.items():
        if number > MOST_SHOWN:
            yield f"and {number - MOST_SHOWN} more times something about {attribute}"


def _wrong_types(each: Utterance) -> Iterator[tuple[str, str]]:
    for field in fields(each):
        value = getattr(each, field.name)
        if value is None and field.name not in ("path", "label"):
            continue
        if not isinstance(value, TYPES[field.name]) or isinstance(value, bool):
            yield field.name, f"{field.name} is {value!r}, a {type(value).__name__}"
        elif isinstance(value, str) and (not value or value != value.strip()):
            yield field.name, f"{field.name} is {value!r}: empty, or with spaces around it (what is unknown is None)"


def _wrong_place(each: Utterance, root: Path) -> Iterator[tuple[str, str]]:
    folder = root if root.is_dir() else root.parent
    if not Path(each.path).is_file():
        yield "path", "no such file"
    if not Path(each.path).is_relative_to(folder):
        yield "path", f"not below {folder}"


def _wrong_values(each: Utterance, labels: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(each.label, str):
        if labels and each.label not in labels:
            yield "label", f"{each.label!r} is none of its labels"
        try:
            proper = canonical(each.label)
        except SettingsError as error:
            yield "label", error.what
        else:
            if proper != each.label:
                yield "label", f"{each.label!r} is written {proper!r} here"
    for name in ("start_s", "end_s", "channel"):
        value = getattr(each, name)
        if isinstance(value, int | float) and not 0 <= value < math.inf:
            yield name, f"{name} is {value}"
    if isinstance(each.end_s, int | float) and each.end_s <= (each.start_s or 0.0):
        yield "end_s", f"end_s {each.end_s} is not after start_s {each.start_s or 0.0}"
