"""A model in plain words: its license, what it was trained on, and how often it is right on speech from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.errors import ModelError, PcqtoolError, SettingsError

if TYPE_CHECKING:
    from pcqtool.tables.provenance import Provenance

_OFF = "off"


@dataclass(frozen=True)
class UnseenScore:
    """Accuracy of a model on a corpus that it was not trained on.

    Attributes:
        corpus: the corpus.
        speech: what kind of speech it has, such as ``natural, talk shows``.
        n_classes: number of emotions to choose from.
        standardised: how the inputs were standardised, in words.
        like_this_run: whether this run standardised in the same way.
        ua: mean recall of the emotions, 0 to 1.
        ece: mean gap between probability and accuracy, 0 to 1; None if unknown.
    """

    corpus: str
    speech: str
    n_classes: int
    standardised: str
    like_this_run: bool
    ua: float
    ece: float | None


@dataclass(frozen=True)
class ModelFacts:
    """Facts about a model for the page; texts are empty where nothing is known."""

    name: str
    license: str = ""
    trained_on: str = ""
    aggregation: str = ""
    scores: tuple[UnseenScore, ...] = ()
    note: str = ""

    @property
    def main_score(self) -> UnseenScore | None:
        """Return the score that says most about this run: natural speech, standardised as here."""
        return next((score for score in self.scores if score.like_this_run), next(iter(self.scores), None))


def model_facts(provenance: Provenance, model: str | Path | None = None) -> ModelFacts:
    """Describe the model of a table.

    Args:
        provenance: of the table.
        model: name or directory of the model; None looks among the bundled models.

    Raises:
        SettingsError: if the given model does not exist, or is not the table's.
        ModelError: if the given model is damaged.
    """
    from pcqtool.model.directory import find, model_sha256, read_config, read_metrics

    facts = ModelFacts(provenance.model, aggregation=provenance.aggregation)
    try:
        directory = find(model or provenance.model)
        if model_sha256(directory) != provenance.model_sha256:
            raise SettingsError(f"{directory} is not the model that made these results", "Its weights differ.")
        config, metrics = read_config(directory), read_metrics(directory)
    except (SettingsError, ModelError) as fault:
        if model is not None:
            raise
        return _without_model(facts, fault)
    is_off = provenance.settings.get("profile") == _OFF
    scores = tuple(_scores(metrics, is_off if config.has_profile else None))
    return ModelFacts(config.name, config.license or "", config.trained_on or "", provenance.aggregation, scores)


def _without_model(facts: ModelFacts, fault: PcqtoolError) -> ModelFacts:
    known = "differ" in fault.hint
    note = (
        "The installed model of this name has other weights, so nothing is said about its accuracy."
        if known
        else "The model was not at hand when this page was written; name it with --model."
    )
    return ModelFacts(facts.name, aggregation=facts.aggregation, note=note)


def _scores(metrics: Any, is_off: bool | None) -> list[UnseenScore]:
    """Return the scores in ``metrics.json`` that are complete, natural speech first."""
    entries = metrics.get("unseen") if isinstance(metrics, Mapping) else None
    found = []
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, Mapping):
            continue
        ua, ece, n_classes = (_number(entry.get(name)) for name in ("ua", "ece", "n_classes"))
        if ua is None or n_classes is None:
            continue
        profile = str(entry.get("profile", ""))
        found.append(
            UnseenScore(
                corpus=str(entry.get("corpus", "")),
                speech=str(entry.get("speech", "")),
                n_classes=max(1, int(n_classes)),
                standardised="by the training data" if profile == _OFF else "by the batch" if profile else "",
                like_this_run=is_off is None or (profile == _OFF) == is_off,
                ua=ua / 100,  # stored in per cent
                ece=ece,
            )
        )
    return sorted(found, key=lambda score: not score.speech.startswith("natural"))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
