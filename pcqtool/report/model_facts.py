"""A model in plain words: its license, what it was trained on, and how often it is right on speech from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.errors import ModelError, PcqtoolError, SettingsError
from pcqtool.model.unseen_scores import UnseenScore, unseen_scores

if TYPE_CHECKING:
    from pcqtool.tables.provenance import Provenance

_OFF = "off"


@dataclass(frozen=True)
class ModelFacts:
    """Facts about the model of a table; texts are empty where nothing is known.

    Attributes:
        name: of the model.
        license: the terms of use, in one line.
        trained_on: its training corpora, in words.
        aggregation: the rule from segments to files.
        scores: on corpora that it was not trained on.
        is_off: whether the table was made without a profile; None for a model without profiles.
        note: why nothing is known about the model.
    """

    name: str
    license: str = ""
    trained_on: str = ""
    aggregation: str = ""
    scores: tuple[UnseenScore, ...] = ()
    is_off: bool | None = None
    note: str = ""

    @property
    def main_score(self) -> UnseenScore | None:
        """Return the score that says most about the table: natural speech, standardised as there."""
        alike = (score for score in self.scores if self.is_off is None or (score.profile == _OFF) == self.is_off)
        return next(alike, next(iter(self.scores), None))


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
    is_off = provenance.settings.get("profile") == _OFF if config.has_profile else None
    scores = tuple(unseen_scores(metrics))
    return ModelFacts(config.name, config.license, config.trained_on, provenance.aggregation, scores, is_off)


def _without_model(facts: ModelFacts, fault: PcqtoolError) -> ModelFacts:
    known = "differ" in fault.hint
    note = (
        "The installed model of this name has other weights, so nothing is said about its accuracy."
        if known
        else "The model was not at hand when this page was written; name it with --model."
    )
    return ModelFacts(facts.name, aggregation=facts.aggregation, note=note)
