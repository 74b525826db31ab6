"""Bootstrap over speakers: intervals of the accuracies of one run, or of the difference between two runs.

Speakers and not utterances are drawn, with replacement, since utterances of one speaker are not independent evidence.
UA of a draw that lacks a class is the mean over the classes that it has. Source: Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapters 8 and 13 (percentile intervals).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Classes = NDArray[np.int64]

N_RESAMPLES = 2000
Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """Significance of a difference in accuracy, first run minus second run.

    Attributes:
        interval: 95 % interval over speakers.
        p: two-sided p-value: twice the fraction of draws on the rarer side of 0, at least 2 / (number of draws + 1).
    """

    interval: Interval
    p: float


def bootstrap(
    true: Classes, predicted: Classes, n_labels: int, groups: Sequence[str], seed: int = 0
) -> tuple[Interval, Interval] | None:
    """Return 95 % percentile intervals of WA and UA from 2 000 draws.

    Args:
        true: ``(N,)`` indices of the true classes.
        predicted: ``(N,)`` indices of the predicted classes.
        n_labels: number of classes.
        groups: ``(N,)`` speakers.
        seed: seed of the draws.

    Returns:
        The intervals of WA and of UA; None if there are fewer than two speakers.
    """
    names = sorted(set(groups))
    if len(names) < 2:
        return None
    counts = _counts(true, predicted, n_labels, groups, names)
    wa, ua = _accuracies(_draws(len(names), seed), counts)
    return _interval(wa), _interval(ua)


Outcomes = tuple["Classes", "Classes", Sequence[str]]
"""True classes, predicted classes and speakers of a run, ``(N,)`` each."""


def paired_bootstrap(
    first: Outcomes, second: Outcomes, n_labels: int, seed: int = 0
) -> tuple[Difference, Difference] | None:
    """Test the differences in WA and in UA between two runs on the same utterances; both get the same draws.

    A run with several seeds has several predictions for each utterance. Its accuracy is then the mean over seeds.

    Args:
        first: outcomes of one run.
        second: outcomes of the other run; its number of seeds may differ.
        n_labels: number of classes.
        seed: seed of the draws.

    Returns:
        The differences in WA and UA; None if there are fewer than two speakers.
    """
    names = sorted(set(first[2]) | set(second[2]))
    if len(names) < 2:
        return None
    draws = _draws(len(names), seed)
    one, other = (
        _accuracies(draws, _counts(true, predicted, n_labels, groups, names))
        for true, predicted, groups in (first, second)
    )
    differences = (one - other).round(12)  # equal runs differ by 0, not by 1e-17
    wa, ua = (Difference(_interval(row), _p_value(row)) for row in differences)
    return wa, ua


def _p_value(drawn: NDArray[np.float64]) -> float:
    import numpy as np

    rarer = min(int(np.count_nonzero(drawn <= 0)), int(np.count_nonzero(drawn >= 0)))
    return min(1.0, 2.0 * (rarer + 1) / (len(drawn) + 1))


def _draws(n_groups: int, seed: int) -> NDArray[np.int64]:
    """Draw G groups with replacement, repeatedly; return how often each was drawn, ``(draws, G)``."""
    import numpy as np

    drawn = np.random.default_rng(seed).multinomial(n_groups, np.full(n_groups, 1 / n_groups), N_RESAMPLES)
    return np.asarray(drawn, np.int64)


def _counts(
    true: Classes, predicted: Classes, n_labels: int, groups: Sequence[str], names: Sequence[str]
) -> NDArray[np.float64]:
    """Return the confusion matrices of the speakers, ``(G, L, L)``."""
    import numpy as np

    counts = np.zeros((len(names), n_labels, n_labels))
    np.add.at(counts, (np.searchsorted(np.asarray(names), np.asarray(groups)), true, predicted), 1.0)
    return counts


def _accuracies(draws: NDArray[np.int64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return WA and UA, ``(2, R)``, of draws ``(R, G)`` of speakers with confusion matrices ``(G, L, L)``."""
    import numpy as np

    totals, hits = draws @ counts.sum(axis=2), draws @ counts.diagonal(axis1=1, axis2=2)  # (R, L) each
    recall = np.divide(hits, totals, out=np.zeros_like(hits), where=totals > 0)
    return np.stack([hits.sum(axis=1) / totals.sum(axis=1), recall.sum(axis=1) / (totals > 0).sum(axis=1)])


def _interval(values: NDArray[np.float64]) -> Interval:
    import numpy as np

    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
