"""Labelling as a batch task: log-probabilities of segments, and the aggregation rule that labels a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pcqtool.aggregation import aggregate
from pcqtool.audio.segment import SAMPLE_RATE, SegmentSpan
from pcqtool.batch.task import Network, Row
from pcqtool.labelling.event_rule import EventRule
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.timeline import EmotionTimeline, Event, cover, find_events, first_highest, make_timeline
from pcqtool.tables.paths import Kind
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.schema import (
    UNSURE,
    events_schema,
    files_schema,
    first_columns,
    peak_columns,
    peak_time_columns,
    probability_columns,
    segments_schema,
    share_columns,
)

if TYPE_CHECKING:  # it loads torch, which a run with nothing to do does not need
    from pcqtool.model.directory import EncoderSearchPath
    from pcqtool.model.profile_file import BatchProfile
    from pcqtool.model.segment_predictor import SegmentPredictor

SCHEMAS: dict[Kind, Callable[[Sequence[str]], pa.Schema]] = {
    "files": files_schema,
    "segments": segments_schema,
    "events": events_schema,
}


class Labelling:
    """Predicts the emotions of recordings with a model.

    Args:
        predictor: the model.
        settings: how to read and batch recordings.
        provenance: labels and aggregation rule.
        replicas: the same model on further devices.
        profile: what the model's inputs are standardised by; None for the training data's statistics.
    """

    sequential = False
    trims_silence = True

    def __init__(
        self,
        predictor: SegmentPredictor,
        settings: LabelSettings,
        provenance: Provenance,
        replicas: Sequence[SegmentPredictor] = (),
        profile: BatchProfile | None = None,
    ) -> None:
        self.predictors = (predictor, *replicas)
        self.settings = settings
        self.provenance = provenance
        self.profile: BatchProfile | None = None
        if profile is not None:
            self.use_profile(profile)

    @classmethod
    def load(
        cls,
        directory: Path,
        device: str,
        encoders: EncoderSearchPath,
        settings: LabelSettings,
        profile: BatchProfile | None = None,
    ) -> Self:
        """Load the model of a directory onto one device or several.

        Raises:
            ModelError: if the model or its encoder is missing or damaged.
            SettingsError: if this machine lacks a device.
        """
        from pcqtool.model.predictors import load_predictors

        n_samples = settings.reader_options.n_samples
        first, *others = load_predictors(directory, device, encoders, n_samples, settings.precision, settings.runtime)
        return cls(first, settings, settings.provenance(first.config, first.sha256), others, profile)

    def schema(self, kind: Kind) -> pa.Schema:
        """Return the columns of one of the three tables."""
        return SCHEMAS[kind](self.provenance.labels)

    @property
    def batch_size(self) -> int:
        """Segments computed at once."""
        return self.settings.batch_size or self.predictors[0].default_batch_size

    @property
    def networks(self) -> Sequence[Network]:
        """The functions that compute log-probabilities ``(B, L)`` of segments."""
        return [predictor.log_probs for predictor in self.predictors]

    @property
    def moments(self) -> Sequence[Network]:
        """The functions that compute the moments ``(B, 2, C)`` of segments."""
        return [predictor.moments for predictor in self.predictors]

    def new_accumulator(self) -> LabelAggregator:
        """Return an accumulator for a channel."""
        settings = self.settings
        labels, rule = self.provenance.labels, self.provenance.aggregation
        return LabelAggregator(labels, rule, settings.min_confidence, settings.event_rule)

    def use_profile(self, profile: BatchProfile) -> None:
        """Standardise the model's inputs by a profile; one without speech has no effect."""
        if profile.whole.speech_s == 0:
            return
        self.profile = profile
        for predictor in self.predictors:
            predictor.use_profiles(profile.shrunk(predictor.profile_s))

    def group_of(self, file: str) -> int:
        """Return the number of the profile of a recording's group, given its name in the tables."""
        return 0 if self.profile is None else self.profile.group_of(file)


class LabelAggregator:
    """Predicts the label of a channel from the predictions for its segments.

    Args:
        labels: the model's classes, in its order.
        rule: the aggregation rule.
        min_confidence: confidence below which a segment or channel has no label; ``None`` to label all.
        event_rule: when segments become an event.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        rule: str,
        min_confidence: float | None = None,
        event_rule: EventRule = EventRule(),  # noqa: B008
    ) -> None:
        self.labels = labels
        self.rule = rule
        self.min_confidence = np.float32(min_confidence or 0.0)
        self.event_rule = event_rule
        self._log_probs: list[NDArray[np.float64]] = []
        self._spans: list[SegmentSpan] = []

    def add(self, value: NDArray[np.float64], span: SegmentSpan) -> Row:
        """Add the log-probabilities ``(L,)`` of a segment; return its columns."""
        self._log_probs.append(value)
        self._spans.append(span)
        return self._row(np.exp(value))

    def result(self) -> Row:
        """Return the channel's columns in the file table."""
        timeline, weights_s = self._timeline
        segments = self._probabilities
        probabilities = aggregate(np.array(self._log_probs), weights_s, self.rule)
        row = self._row(probabilities)
        longest_s, longest_start_s = timeline.longest(int(probabilities.argmax()))
        peaks = first_highest(segments).tolist()
        first_s = {event.label: event.start_s for event in reversed(self._events)}
        return row | {
            "method": UNSURE if row["label"] is None else self.rule,
            "classified_s": float(weights_s.sum()),
            **dict(zip(share_columns(self.labels), timeline.shares().tolist(), strict=True)),
            "longest_s": longest_s,
            "longest_start_s": longest_start_s,
            **dict(zip(peak_columns(self.labels), segments.max(axis=0).tolist(), strict=True)),
            **{
                name: self._spans[peak].start / SAMPLE_RATE
                for name, peak in zip(peak_time_columns(self.labels), peaks, strict=True)
            },
            **{name: first_s.get(label) for label, name in enumerate(first_columns(self.labels))},
        }

    def events(self, duration_s: float) -> list[Row]:
        """Return the channel's rows in the event table."""
        return [
            {"event": number, **vars(event), "label": None if event.label is None else self.labels[event.label]}
            for number, event in enumerate(cover(self._events, duration_s))
        ]

    @cached_property
    def _events(self) -> list[Event]:
        return find_events(self._timeline[0], self.event_rule) if self._spans else []

    @cached_property
    def _probabilities(self) -> NDArray[np.float64]:
        return np.exp(np.array(self._log_probs))

    @cached_property
    def _timeline(self) -> tuple[EmotionTimeline, NDArray[np.float64]]:
        return make_timeline(self._spans, self._probabilities)

    def _row(self, probabilities: NDArray[np.float64]) -> Row:
        best = int(probabilities.argmax())
        is_sure = np.float32(probabilities[best]) >= self.min_confidence  # as precise as the table's column
        return {
            "label": self.labels[best] if is_sure else None,
            "confidence": probabilities[best],
            **dict(zip(probability_columns(self.labels), probabilities.tolist(), strict=True)),
        }
