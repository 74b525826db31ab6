"""How good predictions are: accuracies, confusion, calibration, and how sure these figures are.

``UA`` and macro-F1 are means over the classes that occur in the truth. A class that nobody spoke has no recall: it
is None, and not counted as 0 or 1, so that the UA of a small test fold is not a matter of which classes it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from pcqtool.metrics.bootstrap import Interval, bootstrap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

N_BINS = 15


@dataclass(frozen=True)
class Scores:
    """What ``n`` predictions are worth.

    Attributes:
        n: number of predictions.
        wa: weighted accuracy, the share of right predictions.
        ua: unweighted accuracy, the mean recall over the classes that occur.
        macro_f1: mean F1 over the classes that occur.
        ece: expected calibration error of the calibrated probabilities, from 0 to 1.
        recall: recall of each class; None for one that does not occur.
        confusion: ``[true][predicted]`` counts, in the order of ``recall``.
        wa_interval: 95 % interval of ``wa`` over speakers; None without at least two, or if one is unknown.
        ua_interval: 95 % interval of ``ua``, likewise.
        ece_uncalibrated: ``ece`` before the temperature was applied; None if that is unknown.
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
    ece_uncalibrated: float | None = None

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
    groups: Sequence[str | None] | None = None,
    seed: int = 0,
    uncalibrated: ArrayLike | None = None,
) -> Scores:
    """Score predictions.

    Args:
        y_true: ``(N,)`` true classes, as names or as indices into ``labels``.
        y_pred: ``(N,)`` predicted classes, likewise.
        probabilities: ``(N, L)`` probabilities, rows summing to 1.
        labels: the L classes in the order of the columns.
        groups: ``(N,)`` speakers, to bootstrap over; None, or an unknown one among them, for no intervals.
        seed: of the bootstrap.
        uncalibrated: ``(N, L)`` probabilities before the temperature was applied.

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
    speakers = [group for group in groups or () if group is not None]
    intervals = bootstrap(true, predicted, len(labels), speakers, seed) if len(speakers) == len(true) else None
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
        ece_uncalibrated=None if uncalibrated is None else _own_error(np.asarray(uncalibrated, np.float64), true),
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


def _own_error(share: NDArray[np.float64], true: NDArray[np.int64]) -> float:
    """Give the calibration error of probabilities ``(N, L)``, each row's own favourite being what it predicts."""
    return calibration_error(share.max(axis=1), share.argmax(axis=1) == true)


def spread(values: Sequence[float]) -> Spread:
    """Give mean and standard deviation (n − 1) of one score over folds."""
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None)


def fold_spread(folds: Sequence[Scores]) -> dict[str, Spread]:
    """Give mean ± sd over folds of WA, UA and macro-F1."""
    return {name: spread([getattr(fold, name) for fold in folds]) for name in ("wa", "ua", "macro_f1")}


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
