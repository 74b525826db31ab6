"""How good predictions are: accuracies, confusion, calibration, and how sure these figures are.

``UA`` and macro-F1 are means over the classes that occur in the truth. A class that nobody spoke has no recall: it
is None, and not counted as 0 or 1, so that the UA of a small test fold is not a matter of which classes it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

N_BINS = 15
N_RESAMPLES = 2000
Interval = tuple[float, float]


@dataclass(frozen=True)
class Scores:
    """What ``n`` predictions are worth.

    Attributes:
        n: number of predictions.
        wa: weighted accuracy, the share of right predictions.
        ua: unweighted accuracy, the mean recall over the classes that occur.
        macro_f1: mean F1 over the classes that occur.
        ece: expected calibration error, from 0 to 1.
        recall: recall of each class; None for one that does not occur.
        confusion: ``[true][predicted]`` counts, in the order of ``recall``.
        wa_interval: 95 % interval of ``wa`` over speakers; None without at least two.
        ua_interval: 95 % interval of ``ua`` over speakers; None without at least two.
    """

    n: int
    wa: float
    ua: float
    macro_f1: float
    ece: float
    recall: dict[str, float | None]
    confusion: list[list[int]]
    wa_interval: Interval | None = None
    ua_interval: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the scores as JSON takes them."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of a score over folds; ``sd`` is None for one fold."""

    mean: float
    sd: float | None


def score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    probabilities: ArrayLike,
    labels: Sequence[str],
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> Scores:
    """Score predictions.

    Args:
        y_true: ``(N,)`` true classes, as names or as indices into ``labels``.
        y_pred: ``(N,)`` predicted classes, likewise.
        probabilities: ``(N, L)`` probabilities, rows summing to 1.
        labels: the L classes in the order of the columns.
        groups: ``(N,)`` speakers, to bootstrap over; None for no intervals.
        seed: of the bootstrap.

    Raises:
        ValueError: if there is nothing to score, a class is not among ``labels``, or the shapes do not fit.
    """
    import numpy as np
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    true, predicted = _indices(y_true, labels), _indices(y_pred, labels)
    share = np.asarray(probabilities, dtype=np.float64)
    if not len(true) == len(predicted) > 0 or share.shape != (len(true), len(labels)):
        raise ValueError(f"cannot score {len(predicted)} predictions and {share.shape} probabilities for {len(true)}")
    classes = np.arange(len(labels))
    present = np.unique(true)
    _, recall, f1, _ = precision_recall_fscore_support(true, predicted, labels=present, zero_division=0.0)
    recalls = dict(zip(present.tolist(), recall.tolist(), strict=True))
    intervals = None if groups is None else bootstrap(true, predicted, labels, groups, seed)
    return Scores(
        n=len(true),
        wa=float(np.mean(true == predicted)),
        ua=float(np.mean(recall)),
        macro_f1=float(np.mean(f1)),
        ece=calibration_error(share[np.arange(len(true)), predicted], true == predicted),
        recall={label: recalls.get(index) for index, label in enumerate(labels)},
        confusion=confusion_matrix(true, predicted, labels=classes).tolist(),
        wa_interval=intervals and intervals[0],
        ua_interval=intervals and intervals[1],
    )


def calibration_error(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Give the expected calibration error of N predictions, from 0 (as sure as right) to 1.

    Predictions fall into 15 bins ``(a, b]`` of equal width by the probability of the predicted class; the error is
    the mean over predictions of their bin's |accuracy − mean confidence|. Source: Guo et al., ICML 2017, equation 3.

    Args:
        confidence: ``(N,)`` probability of the predicted class.
        correct: ``(N,)`` whether the prediction is right.
    """
    import numpy as np

    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    bins = np.clip(np.ceil(sure * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    gaps = np.bincount(bins, weights=right - sure, minlength=N_BINS)  # in each bin, count · (accuracy − confidence)
    return float(np.abs(gaps).sum() / len(sure))


def bootstrap(
    y_true: ArrayLike, y_pred: ArrayLike, labels: Sequence[str], groups: Sequence[str], seed: int = 0
) -> tuple[Interval, Interval] | None:
    """Give 95 % percentile intervals of WA and UA, drawing whole speakers with replacement 2 000 times.

    Speakers and not utterances are drawn, since utterances of one speaker are no independent evidence. A draw
    without a class takes the mean over those it has.

    Args:
        y_true: ``(N,)`` true classes, as names or as indices into ``labels``.
        y_pred: ``(N,)`` predicted classes, likewise.
        labels: the classes.
        groups: ``(N,)`` speakers.
        seed: of the draws.

    Returns:
        The intervals of WA and of UA; None if there are fewer than two speakers.
    """
    import numpy as np

    names, group = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return None
    counts = np.zeros((len(names), len(labels), len(labels)))
    np.add.at(counts, (group, _indices(y_true, labels), _indices(y_pred, labels)), 1.0)
    said, hits = counts.sum(axis=2), counts.diagonal(axis1=1, axis2=2)  # (speakers, L)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), N_RESAMPLES)
    said, hits = draws @ said, draws @ hits  # (draws, L)
    recall = np.divide(hits, said, out=np.zeros_like(hits), where=said > 0)
    wa = hits.sum(axis=1) / said.sum(axis=1)
    ua = recall.sum(axis=1) / (said > 0).sum(axis=1)
    return _interval(wa), _interval(ua)


def spread(values: Sequence[float]) -> Spread:
    """Give mean and standard deviation (n − 1) of one score over folds."""
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None)


def fold_spread(folds: Sequence[Scores]) -> dict[str, Spread]:
    """Give mean ± sd over folds of WA, UA and macro-F1."""
    return {name: spread([getattr(fold, name) for fold in folds]) for name in ("wa", "ua", "macro_f1")}


def _interval(values: NDArray[np.float64]) -> Interval:
    import numpy as np

    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _indices(classes: ArrayLike, labels: Sequence[str]) -> NDArray[np.int64]:
    """Read classes, given as names or as indices, as indices."""
    import numpy as np

    values = np.asarray(classes)
    if values.dtype.kind in "iu":
        if len(values) and not 0 <= values.min() <= values.max() < len(labels):
            raise ValueError(f"class indices must lie in 0 to {len(labels) - 1}")
        return values.astype(np.int64)
    index = {label: position for position, label in enumerate(labels)}
    if unknown := sorted({str(value) for value in values} - set(index)):
        raise ValueError(f"classes that are not among the labels: {', '.join(unknown)}")
    return np.array([index[str(value)] for value in values], dtype=np.int64)
