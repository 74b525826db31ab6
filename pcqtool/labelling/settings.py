"""What a user can set about a labelling run, and the fingerprint of what changes its results."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from pcqtool.audio.tracks import Reading
from pcqtool.errors import SettingsError
from pcqtool.model.directory import ModelConfig
from pcqtool.tables.aggregate import AGGREGATIONS
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.schema import SCHEMA_VERSION


@dataclass(frozen=True)
class LabelSettings:
    """How to label; only ``reading``, ``aggregation`` and ``min_speech`` change results.

    Attributes:
        reading: channels and voice activity detection.
        aggregation: rule from segments to file; ``None`` for the model's own.
        min_speech: a segment with a smaller share of speech is not judged (0 to 1; not used without detection).
        batch_size: segments computed at once.
        jobs: files decoded at the same time; 0 for one a processor core.
    """

    reading: Reading = field(default_factory=Reading)
    aggregation: str | None = None
    min_speech: float = 0.1
    batch_size: int = 32
    jobs: int = 0

    def __post_init__(self) -> None:
        if self.aggregation is not None and self.aggregation not in AGGREGATIONS:
            raise SettingsError(f"unknown aggregation {self.aggregation!r}", f"Known: {', '.join(AGGREGATIONS)}.")
        if not 0.0 <= self.min_speech <= 1.0:
            raise SettingsError(f"the least share of speech lies between 0 and 1, not at {self.min_speech}")
        if self.batch_size < 1 or self.jobs < 0:
            raise SettingsError("batch size must be 1 or more, jobs 0 or more")

    @property
    def n_jobs(self) -> int:
        """Number of decoding threads."""
        from joblib import cpu_count

        return self.jobs or int(cpu_count())  # of those that this process may use

    def rule(self, config: ModelConfig) -> str:
        """Give the aggregation rule in force."""
        return self.aggregation or config.aggregation

    def provenance(self, config: ModelConfig, model_sha256: str) -> Provenance:
        """Give what the tables say about their making; equal fingerprints, equal results."""
        settings: dict[str, Any] = asdict(self.reading)
        settings |= {"aggregation": self.rule(config), "min_speech": self.min_speech}
        decisive = json.dumps([SCHEMA_VERSION, model_sha256, settings], sort_keys=True)
        return Provenance(
            model=config.name,
            model_sha256=model_sha256,
            labels=config.labels,
            fingerprint=hashlib.sha256(decisive.encode()).hexdigest()[:16],
            aggregation=self.rule(config),
            settings=settings,
        )
