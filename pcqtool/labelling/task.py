"""Labelling as the work of a run: log-probabilities of segments, and the rule that makes a file's judgement of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pcqtool.aggregation import aggregate
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.batch.task import Compute, Row
from pcqtool.labelling.settings import LabelSettings
from pcqtool.tables.paths import Kind
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.schema import files_schema, probability_columns, segments_schema

if TYPE_CHECKING:  # it loads torch, which a run with nothing to do has no need of
    from pcqtool.model.predictor import Predictor

SCHEMAS: dict[Kind, Callable[[Sequence[str]], pa.Schema]] = {"files": files_schema, "segments": segments_schema}


class Labelling:
    """Judges recordings with a model.

    Args:
        predictor: the model.
        settings: how.
        provenance: labels and aggregation rule.
        replicas: the same model on further devices.
    """

    in_turn = False
    cuts = True

    def __init__(
        self,
        predictor: Predictor,
        settings: LabelSettings,
        provenance: Provenance,
        replicas: Sequence[Predictor] = (),
    ) -> None:
        self.predictors = (predictor, *replicas)
        self.settings = settings
        self.provenance = provenance

    def schema(self, kind: Kind) -> pa.Schema:
        """Give the columns of one of the two tables."""
        return SCHEMAS[kind](self.provenance.labels)

    @property
    def computes(self) -> Sequence[Compute]:
        """Give what computes segments' log-probabilities ``(B, L)``."""
        return [predictor.log_probs for predictor in self.predictors]

    @property
    def aside(self) -> bool:
        """Tell whether the model is on a GPU."""
        return self.predictors[0].device.type != "cpu"

    def tally(self) -> LabelAggregator:
        """Begin a track."""
        return LabelAggregator(self.provenance.labels, self.provenance.aggregation)


class LabelAggregator:
    """A track's judgement, made of those of its segments.

    Args:
        labels: the model's classes, in its order.
        rule: by which segments make the track's judgement.
    """

    def __init__(self, labels: tuple[str, ...], rule: str) -> None:
        self.labels = labels
        self.rule = rule
        self._log_probs: list[NDArray[np.float64]] = []
        self._durations_s: list[float] = []

    def add(self, value: NDArray[np.float64], n_samples: int) -> Row:
        """Take a segment's log-probabilities ``(L,)``."""
        self._log_probs.append(value)
        self._durations_s.append(n_samples / SAMPLE_RATE)
        return self._labelled(np.exp(value))

    def result(self) -> Row:
        """Judge the track."""
        probabilities = aggregate(np.stack(self._log_probs), np.array(self._durations_s), self.rule)
        return self._labelled(probabilities) | {"method": self.rule}

    def _labelled(self, probabilities: NDArray[np.float64]) -> Row:
        best = int(probabilities.argmax())
        return {
            "label": self.labels[best],
            "confidence": probabilities[best],
            **dict(zip(probability_columns(self.labels), probabilities.tolist(), strict=True)),
        }
