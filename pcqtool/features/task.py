"""Feature extraction as a batch task: features of segments, and their statistics over a file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.segment import SegmentSpan
from pcqtool.batch.task import Network, Row
from pcqtool.features.settings import FeatureSettings
from pcqtool.tables.feature_schema import feature_files_schema, feature_segments_schema, statistic_columns
from pcqtool.tables.paths import Kind

if TYPE_CHECKING:
    import pyarrow as pa

    from pcqtool.features.network import FeatureNetwork


Array = NDArray[np.float64]


class Extraction:
    """Extracts features of recordings.

    Args:
        network: computes the features.
        settings: which features, and how to read and batch recordings.
        replicas: the same network on further devices.
    """

    sequential = True  # an hour of frames takes hundreds of megabytes
    trims_silence = False  # frames have a time axis

    def __init__(
        self, network: FeatureNetwork, settings: FeatureSettings, replicas: Sequence[FeatureNetwork] = ()
    ) -> None:
        self.network = network
        self.replicas = replicas
        self.settings = settings

    def schema(self, kind: Kind) -> pa.Schema:
        """Return the columns of one of the two tables."""
        feature, shape = self.settings.feature, self.network.shape
        if kind == "files":
            return feature_files_schema(feature, shape[-1])
        return feature_segments_schema(feature, shape if self.settings.in_segments else None)

    @property
    def batch_size(self) -> int:
        """Segments computed at once."""
        from pcqtool.model.device import default_batch_size

        return self.settings.batch_size or default_batch_size(self.network.device)

    @property
    def networks(self) -> Sequence[Network]:
        """The functions that compute features ``(B, *shape)`` of segments."""
        return [network.compute for network in (self.network, *self.replicas)]

    def new_accumulator(self) -> RunningStatistics:
        """Return an accumulator for a channel."""
        return RunningStatistics(self.settings, self.network.shape[-1])

    def group_of(self, file: str) -> int:
        """Return 0: the features of all recordings are computed alike."""
        return 0


class RunningStatistics:
    """Mean and standard deviation of a channel's features, each segment weighted by its duration.

    If features have a time axis, steps that begin in the padding are left out.

    Args:
        settings: which feature, and whether the segment table has it.
        width: length of the feature vector of a step.
    """

    def __init__(self, settings: FeatureSettings, width: int) -> None:
        self.settings = settings
        self.width = width
        self._stats = RunningStats(width)

    def add(self, value: NDArray[np.float32], span: SegmentSpan) -> Row:
        """Add the features ``(T, D)`` or ``(D,)`` of a segment; return its columns."""
        steps = value.reshape(-1, self.width)
        n_inside = max(1, math.ceil(len(steps) * span.n_valid / self.settings.reader_options.n_samples))
        self._stats.add(steps[:n_inside], span.n_valid)
        return {self.settings.feature: value.ravel()} if self.settings.in_segments else {}

    def result(self) -> Row:
        """Return mean and standard deviation, ``(D,)`` each."""
        values = (self._stats.mean.astype(np.float32), self._stats.sd.astype(np.float32))
        return dict(zip(statistic_columns(self.settings.feature), values, strict=True))

    def events(self, duration_s: float) -> list[Row]:
        """Return no rows: features have no events."""
        return []


class RunningStats:
    """Weighted mean and variance, updated block by block (Chan, Golub and LeVeque, 1983).

    Args:
        width: length of a vector.
    """

    def __init__(self, width: int) -> None:
        self.weight = 0.0
        self.mean = np.zeros(width)
        self._scatter = np.zeros(width)  # weighted sum of squared distances from the mean

    @property
    def sd(self) -> Array:
        """Standard deviation of the population, ``(D,)``; 0 before the first block."""
        deviation: Array = np.sqrt(self._scatter / self.weight) if self.weight else self._scatter
        return deviation

    def add(self, values: NDArray[np.floating], weight: float) -> None:
        """Add vectors ``(n, D)`` that share a positive weight equally."""
        mean = values.mean(axis=0, dtype=np.float64)
        scatter = weight * np.square(values - mean).mean(axis=0, dtype=np.float64)
        total = self.weight + weight
        distance = mean - self.mean
        self.mean += distance * (weight / total)
        self._scatter += scatter + np.square(distance) * (self.weight * weight / total)
        self.weight = total
