"""The settings of labelling, and the provenance of its tables."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from pcqtool.aggregation import AGGREGATIONS
from pcqtool.batch.settings import BatchSettings, run_fingerprint
from pcqtool.errors import SettingsError
from pcqtool.labelling.event_rule import EventRule
from pcqtool.model.config import ModelConfig
from pcqtool.model.predictors import PRECISIONS, RUNTIMES
from pcqtool.tables.provenance import Provenance

MIN_SPEECH_S = 0.5
"""Seconds of speech below which probabilities tell less than the frequencies of labels: their cross entropy is higher.

Measured on a corpus that the model was not trained on; see docs/labels.md.
"""


@dataclass(frozen=True)
class LabelSettings(BatchSettings):
    """How to label recordings.

    Attributes:
        min_confidence: confidence below which a row has no label, from 0 to 1, which changes results; ``None``: every
            prediction is a label.
        precision: ``float32``, ``bfloat16``, or ``auto``: for small networks the one that the processor is fastest in.
            Rounding changes probabilities by less than 0.01.
        runtime: what computes the model: ``auto``, ``openvino`` or ``torch``; results are equal up to rounding.
        aggregation: rule from segments to file, which changes results; ``None`` for the model's own.
        event_confidence: probability of an emotion at which an event begins; it changes results, as the next two do.
        event_min_duration_s: shorter events are left out.
        event_gap_s: events of one emotion that are not further apart are one.

    Raises:
        SettingsError: if a value is not possible.
    """

    min_speech_s: float = MIN_SPEECH_S
    aggregation: str | None = None
    min_confidence: float | None = None
    precision: str = PRECISIONS[0]
    runtime: str = RUNTIMES[0]
    event_confidence: float = EventRule.confidence
    event_min_duration_s: float = EventRule.min_duration_s
    event_gap_s: float = EventRule.gap_s

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.aggregation is not None and self.aggregation not in AGGREGATIONS:
            raise SettingsError(f"unknown aggregation {self.aggregation!r}", f"Known: {', '.join(AGGREGATIONS)}.")
        if self.min_confidence is not None and not 0.0 <= self.min_confidence <= 1.0:
            raise SettingsError(f"min_confidence must be from 0 to 1, not {self.min_confidence}")
        if self.precision not in PRECISIONS:
            raise SettingsError(f"unknown precision {self.precision!r}", f"Known: {', '.join(PRECISIONS)}.")
        if self.runtime not in RUNTIMES:
            raise SettingsError(f"unknown runtime {self.runtime!r}", f"Known: {', '.join(RUNTIMES)}.")
        if not 0.0 < self.event_confidence <= 1.0:
            raise SettingsError(f"event_confidence must be above 0 and at most 1, not {self.event_confidence}")
        if not (0.0 <= self.event_min_duration_s < math.inf and 0.0 <= self.event_gap_s < math.inf):
            raise SettingsError("event_min_duration_s and event_gap_s must be 0 or more seconds")

    @property
    def event_rule(self) -> EventRule:
        """The rule that makes events of segments."""
        return EventRule(self.event_confidence, self.event_min_duration_s, self.event_gap_s)

    def rule(self, config: ModelConfig) -> str:
        """Return the aggregation rule in force."""
        return self.aggregation or config.aggregation

    def provenance(self, config: ModelConfig, model_sha256: str) -> Provenance:
        """Return the provenance of the tables; equal fingerprints, equal results."""
        settings: dict[str, Any] = asdict(self.reader_options)
        settings |= {"aggregation": self.rule(config), "min_speech": self.min_speech, "min_speech_s": self.min_speech_s}
        settings["events"] = asdict(self.event_rule)
        if self.turns is not None:
            settings["turns"] = "given"
        if self.min_confidence is not None:
            settings["min_confidence"] = float(self.min_confidence)
        if self.precision != PRECISIONS[0]:
            settings["precision"] = self.precision
        if config.plugins:
            from pcqtool.model.plugin_versions import plugins_in_use

            settings["plugins"] = plugins_in_use(config)
        return Provenance(
            model=config.name,
            model_sha256=model_sha256,
            labels=config.labels,
            fingerprint=run_fingerprint(model_sha256, settings),
            aggregation=self.rule(config),
            settings=settings,
        )
