"""Label maps: which label of a run each label of a corpus becomes, loaded from a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pcqtool import toml
from pcqtool.errors import SettingsError
from pcqtool.labels import canonical, normalise_label

OTHERS = "*"
"""Key for every label that is not a key itself."""

LabelNames = Mapping[str, str | None]
"""The label in the run by the corpus's label; None for a label that is left out."""


@dataclass(frozen=True)
class LabelMap:
    """A label map.

    Attributes:
        general: the names for all corpora.
        by_corpus: names that differ in one corpus, by the corpus's name in the run.
    """

    general: LabelNames = field(default_factory=dict)
    by_corpus: Mapping[str, LabelNames] = field(default_factory=dict)

    def for_corpus(self, corpus: str) -> LabelNames:
        """Return the names for a corpus, given its name in the run."""
        return {**self.general, **self.by_corpus.get(corpus, {})}


def translate(label: str, names: LabelNames) -> str | None:
    """Return a label's name in the run, or None if it is left out; the result is not looked up again."""
    return names.get(label, names.get(OTHERS, label))


def load_label_map(path: Path | None) -> LabelMap:
    """Load a label map; without a file, the map changes nothing.

    A key is any label, of the vocabulary or not. Its value is a name of the vocabulary, or ``""`` to leave the label
    out. A table named after a corpus applies to that corpus only.

    Raises:
        SettingsError: if the file cannot be read, or a value is not an emotion.
    """
    if path is None:
        return LabelMap()
    try:
        entries = toml.load(path, 'An entry reads: excitement = "happiness"')
    except OSError as error:
        raise SettingsError(f"cannot read the label map {path}: {error.strerror}", "Check --map.") from error
    tables = {name: table for name, table in entries.items() if isinstance(table, dict)}
    general = {label: value for label, value in entries.items() if not isinstance(value, dict)}
    by_corpus = {name: _label_names(table, f"{path}, [{name}]") for name, table in tables.items()}
    return LabelMap(_label_names(general, str(path)), by_corpus)


def _label_names(entries: Mapping[str, object], place: str) -> LabelNames:
    names: dict[str, str | None] = {}
    for label, value in entries.items():
        key = normalise_label(label)
        if key in names:
            raise SettingsError(f"{place}: {label!r} occurs twice, as {key!r} and as an alias of it")
        names[key] = _target(value, f"{place}: {label}")
    return names


def _target(value: object, place: str) -> str | None:
    if not isinstance(value, str):
        raise SettingsError(f"{place} is {value!r}, but must be text", 'Write "" to leave a label out.')
    try:
        return canonical(value) if value.strip() else None
    except SettingsError as error:
        raise SettingsError(f"{place}: {error.what}", f'{error.hint} Write "" to leave a label out.') from error
