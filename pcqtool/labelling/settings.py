"""What a user can set about a labelling run, and what its tables say about their making."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pcqtool.aggregation import AGGREGATIONS
from pcqtool.batch.settings import BatchSettings, run_fingerprint
from pcqtool.errors import SettingsError
from pcqtool.model.directory import ModelConfig
from pcqtool.tables.provenance import Provenance

PRECISIONS = ("float32", "bfloat16")
"""What a pre-trained encoder may compute in, the usual one first."""


@dataclass(frozen=True)
class LabelSettings(BatchSettings):
    """How to label.

    Attributes:
        precision: what a pre-trained encoder computes in, float32 or bfloat16; rounding changes results.
        aggregation: rule from segments to file, which changes results; ``None`` for the model's own.
    """

    aggregation: str | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.aggregation is not None and self.aggregation not in AGGREGATIONS:
            raise SettingsError(f"unknown aggregation {self.aggregation!r}", f"Known: {', '.join(AGGREGATIONS)}.")
        if self.precision not in PRECISIONS:
            raise SettingsError(f"unknown precision {self.precision!r}", f"Known: {', '.join(PRECISIONS)}.")

    def rule(self, config: ModelConfig) -> str:
        """Give the aggregation rule in force."""
        return self.aggregation or config.aggregation

    def provenance(self, config: ModelConfig, model_sha256: str) -> Provenance:
        """Give what the tables say about their making; equal fingerprints, equal results."""
        settings: dict[str, Any] = asdict(self.reader_options)
        settings |= {"aggregation": self.rule(config), "min_speech": self.min_speech}
        if self.precision != PRECISIONS[0]:
            settings["precision"] = self.precision
        return Provenance(
            model=config.name,
            model_sha256=model_sha256,
            labels=config.labels,
            fingerprint=run_fingerprint(model_sha256, settings),
            aggregation=self.rule(config),
            settings=settings,
        )
