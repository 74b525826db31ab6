"""Scores of predictions: accuracies, confusion matrix and calibration error, with confidence intervals.

UA, the unweighted accuracy, is also known as UAR, the unweighted average recall. UA and macro-F1 are means over the
classes that occur in the truth. A class that does not occur has no recall: it is None, and not counted as 0 or 1, so
that the UA of a small test fold does not depend on the classes in it.
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
    """The scores of ``n`` predictions.

    Attributes:
        n: number of predictions.
        wa: weighted accuracy, the fraction of correct predictions.
        ua: unweighted accuracy, the mean recall over the classes that occur.
        macro_f1: mean F1 over the classes that occur.
        ece: expected calibration error of the calibrated probabilities, from 0 to 1.
        recall: recall of each class; None if the class does not occur.
        confusion: ``[true][predicted]`` counts, in the order of ``recall``.
        wa_interval: 95 % interval of ``wa`` over speakers; None if there are fewer than two, or one is unknown.
        ua_interval: 95 % interval of ``ua``, likewise.
        ece_uncalibrated: ``ece`` before the temperature was applied; None if unknown.
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
        """Return the scores as JSON values."""
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
        groups: ``(N,)`` speakers for the bootstrap; no intervals if this is None or a speaker is unknown.
        seed: seed of the bootstrap.
        uncalibrated: ``(N, L)`` probabilities before the temperature was applied.

    Raises:
        ValueError: if there are no predictions, a class is not among ``labels``, or shapes do not match.
    """
    import numpy as np
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    true, predicted = _indices(y_true, labels), _indices(y_pred, labels)
    probs = np.asarray(probabilities, dtype=np.float64)
    if not len(true) == len(predicted) > 0 or probs.shape != (len(true), len(labels)):
        raise ValueError(f"cannot score {len(predicted)} predictions and {probs.shape} probabilities for {len(true)}")
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
        ece=calibration_error(probs[np.arange(len(true)), predicted], true == predicted),
        recall={label: recalls.get(index) for index, label in enumerate(labels)},
        confusion=confusion_matrix(true, predicted, labels=classes).tolist(),
        wa_interval=intervals and intervals[0],
        ua_interval=intervals and intervals[1],
        ece_uncalibrated=None if uncalibrated is None else _argmax_error(np.asarray(uncalibrated, np.float64), true),
    )


def calibration_error(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Return the expected calibration error of N predictions, from 0 (confidence equals accuracy) to 1.

    Predictions fall into 15 bins ``(a, b]`` of equal width by the probability of the predicted class; the error is
    the mean over predictions of their bin's |accuracy − mean confidence|. Source: Guo et al., ICML 2017, equation 3.

    Args:
        confidence: ``(N,)`` probability of the predicted class.
        correct: ``(N,)`` whether the prediction is correct.
    """
    import numpy as np

    confidences, hits = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    bins = np.clip(np.ceil(confidences * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    # For each bin, count · (accuracy − confidence).
    gaps = np.bincount(bins, weights=hits - confidences, minlength=N_BINS)
    return float(np.abs(gaps).sum() / len(hits))


def _argmax_error(probabilities: NDArray[np.float64], true: NDArray[np.int64]) -> float:
    """Return the calibration error of probabilities ``(N, L)`` that predict their most probable class."""
    return calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == true)


def spread(values: Sequence[float]) -> Spread:
    """Return mean and standard deviation (n − 1) of one score over folds."""
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None)


def fold_spread(folds: Sequence[Scores]) -> dict[str, Spread]:
    """Return the spreads of WA, UA, macro-F1 and ECE over folds."""
    return {name: spread([getattr(fold, name) for fold in folds]) for name in ("wa", "ua", "macro_f1", "ece")}


def _indices(classes: ArrayLike, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return classes, given as names or as indices, as indices."""
    import numpy as np

    values = np.asarray(classes)
    if values.dtype.kind in "iu":
        if len(values) and not 0 <= values.min() <= values.max() < len(labels):
            raise ValueError(f"class indices must be from 0 to {len(labels) - 1}")
        return values.astype(np.int64)
    index = {label: position for position, label in enumerate(labels)}
    if unknown := sorted({str(value) for value in values} - set(index)):
        raise ValueError(f"classes that are not among the labels: {', '.join(unknown)}")
    return np.array([index[str(value)] for value in values], dtype=np.int64)
