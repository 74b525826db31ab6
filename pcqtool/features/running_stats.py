"""Mean and standard deviation of what comes piece by piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class RunningStats:
    """Weighted mean and variance, updated by pieces without holding them (Chan, Golub and LeVeque, 1983).

    Args:
        width: of a value.
    """

    def __init__(self, width: int) -> None:
        self.weight = 0.0
        self.mean = np.zeros(width)
        self._scatter = np.zeros(width)  # weighted sum of squared distances from the mean

    @property
    def sd(self) -> Array:
        """Standard deviation of the population, ``(D,)``; 0 while there is nothing."""
        deviation: Array = np.sqrt(self._scatter / self.weight) if self.weight else self._scatter
        return deviation

    def add(self, values: NDArray[np.floating], weight: float) -> None:
        """Take values ``(n, D)`` that share a positive weight equally."""
        mean = values.mean(axis=0, dtype=np.float64)
        scatter = weight * np.square(values - mean).mean(axis=0, dtype=np.float64)
        total = self.weight + weight
        distance = mean - self.mean
        self.mean += distance * (weight / total)
        self._scatter += scatter + np.square(distance) * (self.weight * weight / total)
        self.weight = total
