"""Extraction as the work of a run: features of segments, and their statistics over a file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcqtool.batch.task import Compute, Row
from pcqtool.features.running_stats import RunningStats
from pcqtool.features.settings import FeatureSettings
from pcqtool.tables.feature_schema import feature_files_schema, feature_segments_schema, statistic_columns
from pcqtool.tables.paths import Kind

if TYPE_CHECKING:
    import pyarrow as pa

    from pcqtool.features.network import Network


class Extraction:
    """Extracts features of recordings.

    Args:
        network: what computes them.
        settings: which, and how.
        replicas: the same network on further devices.
    """

    in_turn = True  # an hour of frames takes hundreds of megabytes
    cuts = False  # frames have times

    def __init__(self, network: Network, settings: FeatureSettings, replicas: Sequence[Network] = ()) -> None:
        self.network = network
        self.replicas = replicas
        self.settings = settings

    def schema(self, kind: Kind) -> pa.Schema:
        """Give the columns of one of the two tables."""
        feature, shape = self.settings.feature, self.network.shape
        if kind == "files":
            return feature_files_schema(feature, shape[-1])
        return feature_segments_schema(feature, shape if self.settings.in_segments else None)

    @property
    def computes(self) -> Sequence[Compute]:
        """Give what computes segments' features ``(B, *shape)``."""
        return [network.compute for network in (self.network, *self.replicas)]

    @property
    def aside(self) -> bool:
        """Tell whether the network is on a GPU."""
        return self.network.device.type != "cpu"

    def tally(self) -> Statistics:
        """Begin a track."""
        return Statistics(self.settings, self.network.shape[-1])


class Statistics:
    """A track's mean and standard deviation, every segment weighted by its duration.

    Of features with steps in time, those that begin in the padding are left out.

    Args:
        settings: which feature, and whether segments have it.
        width: of a step.
    """

    def __init__(self, settings: FeatureSettings, width: int) -> None:
        self.settings = settings
        self.width = width
        self._moments = RunningStats(width)

    def add(self, value: NDArray[np.float32], n_samples: int) -> Row:
        """Take a segment's features ``(T, D)`` or ``(D,)``."""
        steps = value.reshape(-1, self.width)
        n_inside = max(1, math.ceil(len(steps) * n_samples / self.settings.reading.n_samples))
        self._moments.add(steps[:n_inside], n_samples)
        return {self.settings.feature: value.ravel()} if self.settings.in_segments else {}

    def result(self) -> Row:
        """Give mean and standard deviation, ``(D,)`` each."""
        values = (self._moments.mean.astype(np.float32), self._moments.sd.astype(np.float32))
        return dict(zip(statistic_columns(self.settings.feature), values, strict=True))
