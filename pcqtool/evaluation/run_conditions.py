"""The conditions of a run's test, which decide whether figures of two runs may be compared at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.evaluation.run_directory import PREDICTIONS, UNKNOWN
from pcqtool.files.display import display_path
from pcqtool.splits import CORPUS

if TYPE_CHECKING:
    from pcqtool.tables.provenance import Provenance

_MODEL = re.compile(r"(model .*), nothing trained")
_STANDARDISED = re.compile(r"Inputs were standardised by (.*?)\.?$", re.DOTALL)
_TRAINING_DATA = "the training data"
_OTHER_CORPORA = (CORPUS, "cross-corpus")


@dataclass(frozen=True)
class RunConditions:
    """The conditions of a run's test.

    Attributes:
        corpus: the tested corpus; several are joined by ``+``.
        protocol: as ``metrics.json`` has it.
        labels: the classes that could be predicted.
        leakage: the note on what training and test have in common.
        leaks: whether the figures may not be compared with honest ones.
    """

    corpus: str
    protocol: str
    labels: tuple[str, ...]
    leakage: str
    leaks: bool

    @classmethod
    def of(cls, provenance: Provenance) -> RunConditions:
        """Return the conditions that a table of predictions records."""
        settings = provenance.settings
        return cls(
            corpus=str(settings.get("corpus", UNKNOWN)),
            protocol=str(settings.get("protocol", UNKNOWN)),
            labels=tuple(provenance.labels),
            leakage=str(settings.get("leakage", "")),
            leaks=bool(settings.get("leaks")),
        )

    @property
    def short_protocol(self) -> str:
        """The protocol in a word or two; that of a finished model is ``model`` and its name."""
        found = _MODEL.fullmatch(self.protocol)
        return found[1] if found else self.protocol

    @property
    def kind(self) -> str:
        """The protocol without names of models: what training and test share by design.

        A finished model, ``cross-corpus`` and ``corpus`` are one kind: the tested corpus had no part in the training.
        """
        return "" if self.protocol in _OTHER_CORPORA or _MODEL.fullmatch(self.protocol) else self.protocol

    @property
    def standardised_by(self) -> str:
        """Source of the statistics that inputs were standardised by; the training data if none is stated."""
        found = _STANDARDISED.search(self.leakage)
        return found[1] if found else _TRAINING_DATA

    @property
    def marks(self) -> tuple[str, ...]:
        """Warnings in a few words, which a reader of the figures needs."""
        standardised = () if self.standardised_by == _TRAINING_DATA else (f"standardised by {self.standardised_by}",)
        return (*(["LEAKS"] if self.leaks else []), *standardised)


def differences(runs: Sequence[RunConditions]) -> list[str]:
    """Return a sentence for each condition in which the runs differ, so that their figures mean different things.

    The name of a model is not such a condition. Utterances are compared elsewhere.
    """
    found = []
    if len({tuple(sorted(run.corpus.split("+"))) for run in runs}) > 1:
        found.append(f"the corpora differ: {_distinct([run.corpus for run in runs])}")
    if len({run.kind for run in runs}) > 1:
        found.append(f"the protocols differ: {_distinct([run.protocol for run in runs])}")
    if len({frozenset(run.labels) for run in runs}) > 1:
        found.append(f"the labels to choose from differ: {_distinct([', '.join(run.labels) for run in runs])}")
    if len({run.standardised_by for run in runs}) > 1:
        found.append(f"inputs were standardised differently: by {_distinct([run.standardised_by for run in runs])}")
    return found


def run_names(runs: Sequence[Path]) -> list[str]:
    """Return short names of runs: those of their directories, or their paths if directories share a name."""
    folders = [run.parent if run.name == PREDICTIONS else run for run in runs]
    names = [display_path(folder.resolve().name) for folder in folders]
    return names if len(set(names)) == len(names) else [display_path(folder) for folder in folders]


def _distinct(texts: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(texts))
