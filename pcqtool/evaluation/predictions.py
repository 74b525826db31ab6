"""Predictions of an evaluation: their Parquet table, and the same as arrays, ready to be scored.

The table has the columns of labelling's file table, and more at its end.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import softmax

from pcqtool.audio.reader import rate_and_note
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.corpora.base import Utterance
from pcqtool.files.display import display_path
from pcqtool.metrics.risk_coverage import THRESHOLDS, Coverage, risk_coverage
from pcqtool.metrics.scores import Scores, score
from pcqtool.tables.order import in_order
from pcqtool.tables.schema import UNCALIBRATED_PREFIX, Status, predictions_schema, probability_columns

if TYPE_CHECKING:
    from pcqtool.training.data import SegmentSet

Probabilities = NDArray[np.float64]
Objects = NDArray[np.object_]

_SMALLEST = float(np.finfo(np.float32).tiny)  # stands for a probability of 0, which has no logarithm


@dataclass(frozen=True)
class Predictions:
    """Predictions in N rows: one for each utterance and seed.

    Attributes:
        labels: the L classes.
        key: ``(N,)`` file, start and channel of the utterance; rows of two runs are compared by it.
        truth: ``(N,)`` index of the true class.
        label: ``(N,)`` index of the predicted class.
        probabilities: ``(N, L)``, calibrated.
        uncalibrated: ``(N, L)``, without the temperature.
        speaker: ``(N,)`` names; None if unknown.
        fold: ``(N,)`` names; None if nothing was trained.
        seed: ``(N,)`` numbers; None if nothing was trained.
    """

    labels: tuple[str, ...]
    key: Objects
    truth: NDArray[np.int64]
    label: NDArray[np.int64]
    probabilities: Probabilities
    uncalibrated: Probabilities
    speaker: Objects
    fold: Objects
    seed: Objects

    @classmethod
    def from_table(cls, table: pa.Table, labels: Sequence[str]) -> Predictions:
        """Convert a table of ``predictions_schema``."""
        indices = {label: index for index, label in enumerate(labels)}

        def classes(name: str) -> NDArray[np.int64]:
            return np.array([indices[value] for value in table[name].to_pylist()], np.int64)

        def matrix(names: Sequence[str]) -> Probabilities:
            return np.stack([table[name].to_numpy().astype(np.float64) for name in names], axis=1)

        return cls(
            labels=tuple(labels),
            key=_objects(zip(*(table[name].to_pylist() for name in ("file", "start_s", "channel")), strict=True)),
            truth=classes("truth"),
            label=classes("label"),
            probabilities=matrix(probability_columns(labels)),
            uncalibrated=matrix([UNCALIBRATED_PREFIX + label for label in labels]),
            speaker=_objects(table["speaker"].to_pylist()),
            fold=_objects(table["fold"].to_pylist()),
            seed=_objects(table["seed"].to_pylist()),
        )

    def __len__(self) -> int:
        return len(self.truth)

    @cached_property
    def utterance(self) -> NDArray[np.int64]:
        """Number of each row's utterance ``(N,)``, in the order of their first rows."""
        numbers = {key: number for number, key in enumerate(dict.fromkeys(self.key))}
        return np.array([numbers[key] for key in self.key], np.int64)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Predictions:
        """Return some of the rows, given as a mask or as indices."""
        columns = {each.name: getattr(self, each.name)[rows] for each in fields(self) if each.name != "labels"}
        return replace(self, **columns)

    @classmethod
    def concatenate(cls, parts: Sequence[Predictions]) -> Predictions:
        """Return the rows of several predictions of the same classes."""
        names = [each.name for each in fields(cls) if each.name != "labels"]
        columns: dict[str, Any] = {name: np.concatenate([getattr(each, name) for each in parts]) for name in names}
        return replace(parts[0], **columns)

    def group_by(self, column: str) -> dict[Any, Predictions]:
        """Group the rows by ``fold`` or ``seed``, sorted; rows without one are left out."""
        values = getattr(self, column)
        return {value: self.select(values == value) for value in sorted({each for each in values if each is not None})}

    def ensemble(self) -> Predictions:
        """Combine the seeds' models by the mean of their log-probabilities: one row for each utterance."""
        calibrated, raw = (_mean_log(each, self.utterance) for each in (self.probabilities, self.uncalibrated))
        first = self.select(np.unique(self.utterance, return_index=True)[1])
        return replace(first, label=calibrated.argmax(axis=1), probabilities=calibrated, uncalibrated=raw)

    def score(self) -> Scores:
        """Score the rows, with intervals over speakers if all speakers are known."""
        speakers = self.speaker.tolist()
        return score(self.truth, self.label, self.probabilities, self.labels, speakers, uncalibrated=self.uncalibrated)

    def risk_coverage(self, thresholds: Sequence[float] = THRESHOLDS) -> tuple[Coverage, ...]:
        """Return coverage and accuracy of the rows that reach each threshold of confidence."""
        confidence = self.probabilities[np.arange(len(self)), self.label]
        return risk_coverage(confidence, self.label == self.truth, thresholds)


def renormalise(probabilities: Probabilities, columns: Sequence[int]) -> Probabilities:
    """Keep some columns of probabilities ``(N, L)`` and scale them to sum to 1; the others become 0."""
    kept = probabilities[:, list(columns)].clip(np.finfo(np.float64).tiny)
    scaled = np.zeros_like(probabilities)
    scaled[:, list(columns)] = kept / kept.sum(axis=1, keepdims=True)
    return scaled


def _objects(values: Iterable[object]) -> Objects:
    """Return an array of Python objects, which may be tuples or None."""
    return np.fromiter(values, dtype=np.object_)


def _mean_log(probabilities: Probabilities, group: NDArray[np.int64]) -> Probabilities:
    """Average log-probabilities over the rows of each group, ``(N, L)`` → ``(G, L)``."""
    sums = np.zeros((group.max() + 1, probabilities.shape[1]))
    np.add.at(sums, group, np.log(probabilities.clip(_SMALLEST)))
    means = sums / np.bincount(group)[:, None]
    return np.asarray(softmax(means, axis=1), np.float64)


@dataclass(frozen=True)
class ModelPredictions:
    """Predictions of one model for utterances that it was not trained on.

    Attributes:
        utterances: ``(N,)`` indices into the corpus's list.
        probabilities: ``(N, L)``, calibrated.
        uncalibrated: ``(N, L)``, without the temperature.
        temperature: the model's temperature.
        fold: name of the fold; None if nothing was trained.
        seed: seed of the training run; None if nothing was trained.
    """

    utterances: Sequence[int]
    probabilities: Probabilities
    uncalibrated: Probabilities
    temperature: float
    fold: str | None = None
    seed: int | None = None


def predictions_table(
    predictions: Sequence[ModelPredictions],
    utterances: Sequence[Utterance],
    data: SegmentSet,
    labels: Sequence[str],
    method: str,
    model: str,
) -> pa.Table:
    """Return the table of predictions, with one row for each utterance and seed.

    Args:
        predictions: the predictions of all models.
        utterances: the corpus's list; ``file`` is relative to the common folder of its files.
        data: its segments.
        labels: the L classes.
        method: aggregation from segments to file.
        model: name of the model, or of the recipe of several models.
    """
    schema = predictions_schema(labels)
    describe_utterance = cache(
        lambda index: _describe_utterance(utterances[index], data.n_recorded(index), len(data.rows(index)))
    )
    folder = _common_folder(utterances)
    rows = [
        describe_utterance(index)
        | {"file": display_path(Path(os.path.relpath(utterances[index].path, folder)).as_posix())}
        | {"method": method, "status": Status.OK, "model": model}
        | entries
        for each in predictions
        for index, entries in zip(each.utterances, _prediction_columns(each, labels), strict=True)
    ]
    return in_order(pa.Table.from_pylist(rows, schema))


def _prediction_columns(predictions: ModelPredictions, labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    columns, raw = probability_columns(labels), [UNCALIBRATED_PREFIX + label for label in labels]
    run = {"fold": predictions.fold, "seed": predictions.seed, "temperature": predictions.temperature}
    for calibrated, uncalibrated in zip(predictions.probabilities, predictions.uncalibrated, strict=True):
        best = int(calibrated.argmax())
        yield {
            "label": labels[best],
            "confidence": calibrated[best],
            **dict(zip(columns, calibrated.tolist(), strict=True)),
            **dict(zip(raw, uncalibrated.tolist(), strict=True)),
            **run,
        }


def _describe_utterance(utterance: Utterance, n_samples: int, n_segments: int) -> dict[str, Any]:
    """Return the columns that do not depend on a model."""
    stat = utterance.path.stat()
    rate, note = _describe_file(utterance.path, utterance.channel)
    return {
        "channel": "mix" if utterance.channel is None else str(utterance.channel),
        "duration_s": n_samples / SAMPLE_RATE,
        "sample_rate": rate,
        "note": note,
        "n_segments": n_segments,
        "size_bytes": stat.st_size,
        "mtime": round(stat.st_mtime * 1e6),
        "truth": utterance.label,
        "speaker": utterance.speaker,
        "session": utterance.session,
        "text_id": utterance.text_id,
        "start_s": utterance.start_s,
        "end_s": utterance.end_s,
    }


_describe_file = cache(rate_and_note)  # many utterances may share a file


def _common_folder(utterances: Sequence[Utterance]) -> str:
    return os.path.commonpath([utterance.path.parent.absolute() for utterance in utterances])
