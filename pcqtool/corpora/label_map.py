"""Label maps: what the labels of corpora count as in a run, read from a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pcqtool import toml
from pcqtool.errors import SettingsError
from pcqtool.labels import canonical, normalise_label

OTHERS = "*"
"""Stands for every label that is not named."""

Names = Mapping[str, str | None]
"""What labels count as, by label; None for one that is left out."""


@dataclass(frozen=True)
class LabelMap:
    """What labels count as.

    Attributes:
        general: in every corpus.
        by_corpus: in one corpus, where that differs.
    """

    general: Names = field(default_factory=dict)
    by_corpus: Mapping[str, Names] = field(default_factory=dict)

    def of(self, corpus: str) -> Names:
        """Give all that holds for a corpus, by the name that it has in the run."""
        return {**self.general, **self.by_corpus.get(corpus, {})}


def translate(label: str, names: Names) -> str | None:
    """Give what a label counts as, once: what it becomes is not looked up again. None if it is left out."""
    return names.get(label, names.get(OTHERS, label))


def read_map(path: Path | None) -> LabelMap:
    """Read a map; without a file, one that changes nothing.

    Keys are labels, of the vocabulary or any others; values are of the vocabulary, or ``""`` for what is left out. A
    table of a corpus's name holds for that corpus alone.

    Raises:
        SettingsError: if the file cannot be read, or a value is no emotion.
    """
    if path is None:
        return LabelMap()
    try:
        entries = toml.load(path, 'An entry reads: excitement = "happiness"')
    except OSError as error:
        raise SettingsError(f"cannot read the label map {path}: {error.strerror}", "Check --map.") from error
    tables = {name: _names(table, f"{path}, [{name}]") for name, table in entries.items() if isinstance(table, dict)}
    general = {label: value for label, value in entries.items() if not isinstance(value, dict)}
    return LabelMap(_names(general, str(path)), tables)


def _names(entries: Mapping[str, object], place: str) -> Names:
    names: dict[str, str | None] = {}
    for label, value in entries.items():
        key = normalise_label(label)
        if key in names:
            raise SettingsError(f"{place}: {label!r} is named twice, as {key!r} and as another name of it")
        names[key] = _target(value, f"{place}: {label}")
    return names


def _target(value: object, place: str) -> str | None:
    if not isinstance(value, str):
        raise SettingsError(f"{place} is {value!r}, and must be text", 'Write "" for a label that is left out.')
    try:
        return canonical(value) if value.strip() else None
    except SettingsError as error:
        raise SettingsError(f"{place}: {error.what}", f'{error.hint} Write "" to leave a label out.') from error
