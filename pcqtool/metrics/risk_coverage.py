"""Risk and coverage: how many predictions reach a confidence, and how often these are right.

The risk is 1 − accuracy. Source: El-Yaniv and Wiener, On the Foundations of Noise-free Selective Classification,
JMLR 11, 2010, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""The thresholds that an evaluation reports."""


@dataclass(frozen=True)
class Coverage:
    """The predictions that reach a confidence.

    Attributes:
        min_confidence: the threshold.
        coverage: fraction of all predictions whose confidence is at least the threshold.
        accuracy: fraction of these that are correct; None if no prediction reaches the threshold.
    """

    min_confidence: float
    coverage: float
    accuracy: float | None


def risk_coverage(
    confidence: ArrayLike, correct: ArrayLike, thresholds: Sequence[float] = THRESHOLDS
) -> tuple[Coverage, ...]:
    """Return coverage and accuracy of N ≥ 1 predictions at each threshold.

    Confidences and thresholds are compared in single precision, as in the tables and by ``label --min-confidence``.

    Args:
        confidence: ``(N,)`` probability of the predicted class.
        correct: ``(N,)`` whether the prediction is correct.
        thresholds: the thresholds, in any order.
    """
    import numpy as np

    confidences, hits = np.asarray(confidence, np.float32), np.asarray(correct, np.bool_)
    order = np.argsort(confidences)
    n_below = np.searchsorted(confidences[order], np.asarray(thresholds, np.float32))
    n_right = int(hits.sum()) - np.concatenate([[0], np.cumsum(hits[order])])[n_below]
    n = len(confidences)
    return tuple(
        Coverage(threshold, (n - below) / n, right / (n - below) if below < n else None)
        for threshold, below, right in zip(thresholds, n_below.tolist(), n_right.tolist(), strict=True)
    )
