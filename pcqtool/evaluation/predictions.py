"""A table of predictions as arrays, ready to be scored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from pcqtool.metrics.scores import Scores, score
from pcqtool.tables.schema import UNCALIBRATED_PREFIX, probability_columns

if TYPE_CHECKING:
    import pyarrow as pa

Objects = NDArray[np.object_]

_PROBABILITY_OF_NOTHING = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Predictions:
    """What was said of utterances, in N rows: one for each of them and each seed.

    Attributes:
        labels: the L classes.
        key: file, start and channel of the utterance, by which rows of two runs are compared.
        truth: ``(N,)`` index of the true class.
        label: ``(N,)`` index of the predicted class.
        probabilities: ``(N, L)``, calibrated.
        uncalibrated: ``(N, L)``, without the temperature.
        speaker: ``(N,)`` names, None where unknown.
        fold: ``(N,)`` names, None where nothing was trained.
        seed: ``(N,)`` numbers, None where nothing was trained.
    """

    labels: tuple[str, ...]
    key: Objects
    truth: NDArray[np.int64]
    label: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    uncalibrated: NDArray[np.float64]
    speaker: Objects
    fold: Objects
    seed: Objects

    @classmethod
    def of(cls, table: pa.Table, labels: Sequence[str]) -> Predictions:
        """Take a table of ``predictions_schema`` apart."""
        place = {label: index for index, label in enumerate(labels)}

        def classes(name: str) -> NDArray[np.int64]:
            return np.array([place[value] for value in table[name].to_pylist()], np.int64)

        def matrix(names: Sequence[str]) -> NDArray[np.float64]:
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
    def number(self) -> NDArray[np.int64]:
        """Number of the utterance that each row ``(N,)`` is of, in the order of the table."""
        numbers = {key: number for number, key in enumerate(dict.fromkeys(self.key))}
        return np.array([numbers[key] for key in self.key], np.int64)

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Predictions:
        """Give some of the rows."""
        columns = {each.name: getattr(self, each.name)[chosen] for each in fields(self) if each.name != "labels"}
        return replace(self, **columns)

    def by(self, column: str) -> dict[Any, Predictions]:
        """Group the rows by ``fold`` or ``seed``, sorted; what has none is left out."""
        values = getattr(self, column)
        return {value: self.rows(values == value) for value in sorted({each for each in values if each is not None})}

    def together(self) -> Predictions:
        """Let the seeds decide together, by the mean of their log-probabilities: one row for each utterance."""
        calibrated, raw = (_mean_log(share, self.number) for share in (self.probabilities, self.uncalibrated))
        one = self.rows(np.unique(self.number, return_index=True)[1])
        return replace(one, label=calibrated.argmax(axis=1), probabilities=calibrated, uncalibrated=raw)

    def score(self) -> Scores:
        """Score the rows, with intervals over speakers where all are known."""
        speakers = self.speaker.tolist()
        return score(self.truth, self.label, self.probabilities, self.labels, speakers, uncalibrated=self.uncalibrated)


def _objects(values: Iterable[object]) -> Objects:
    """Make an array of Python objects, tuples and None among them."""
    return np.fromiter(values, dtype=np.object_)


def _mean_log(share: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Average log-probabilities ``(N, L)`` over the rows of each group; give probabilities ``(G, L)``."""
    sums = np.zeros((group.max() + 1, share.shape[1]))
    np.add.at(sums, group, np.log(share.clip(_PROBABILITY_OF_NOTHING)))
    means = sums / np.bincount(group)[:, None]
    return np.asarray(softmax(means, axis=1), np.float64)
