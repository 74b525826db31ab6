"""Calibration: one temperature for all outputs of a model, fitted to recordings that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pcqtool.errors import TrainingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(
    logits_by_file: Sequence[ArrayLike] | NDArray[np.floating], y: ArrayLike, allowed: ArrayLike | None = None
) -> float:
    """Return the temperature T that minimises the cross-entropy of N files' probabilities with smoothed targets.

    A file's probabilities are the softmax of the mean over its segments of log-softmax(logits / T). The normaliser
    of each segment is the same for all classes, so this is softmax(mean logits / T). The loss is convex in 1 / T, so
    the search on log T in [0.05, 20] finds its only minimum. Source: Guo et al., ICML 2017, section 4.2. The target of
    the true class is (N + 1) / (N + 2), and the other classes share the rest (Platt, 1999, section 2.2). Without this,
    files that are all predicted correctly would make a model as confident as possible, although a handful of them
    proves little.

    scikit-learn's temperature scaling is not used: it calibrates a classifier object and was added in release 1.8.

    Args:
        logits_by_file: for each of N files ``(n_segments, L)`` logits or log-probabilities; or one array ``(N, L)``
            with one row for each file.
        y: ``(N,)`` indices of the true classes.
        allowed: ``(N, L)``, whether a file's corpus has a class; a class that it lacks is left out of its softmax. All
            classes by default.

    Raises:
        TrainingError: if there are no files, a file has no segment, or a logit is not finite.
    """
    import numpy as np
    from scipy.optimize import minimize_scalar

    pooled, classes = mean_logits(logits_by_file), np.asarray(y, dtype=np.int64)
    if classes.shape != (len(pooled),):
        raise ValueError(f"{len(pooled)} files, but classes of shape {classes.shape}")
    mask = np.ones(pooled.shape, bool) if allowed is None else np.asarray(allowed, bool)
    found = minimize_scalar(
        lambda log_t: _cost(pooled, classes, mask, float(np.exp(log_t))),
        bounds=(np.log(LOWEST), np.log(HIGHEST)),
        method="bounded",
    )
    # The search ends within a tolerance. If a bound, or T = 1, is the minimum, it must not lose to a neighbour.
    nearest = float(np.clip(np.exp(found.x), LOWEST, HIGHEST))
    return min(nearest, 1.0, LOWEST, HIGHEST, key=lambda temperature: _cost(pooled, classes, mask, temperature))


def _cost(pooled: NDArray[np.float64], y: NDArray[np.int64], allowed: NDArray[np.bool_], temperature: float) -> float:
    """Return the mean cross-entropy with smoothed targets."""
    import numpy as np
    from scipy.special import logsumexp

    n_files = len(pooled)
    scaled = np.where(allowed, pooled / temperature, -np.inf)
    log_probs = scaled - logsumexp(scaled, axis=1, keepdims=True)
    true = log_probs[range(n_files), y]
    others = (np.where(allowed, log_probs, 0.0).sum(axis=1) - true) / np.maximum(allowed.sum(axis=1) - 1, 1)
    return float(-((n_files + 1) * true + others).mean() / (n_files + 2))


def mean_logits(logits_by_file: Sequence[ArrayLike] | NDArray[np.floating]) -> NDArray[np.float64]:
    """Average each file's segments, ``(n_segments, L)`` → ``(L,)``; return ``(N, L)``.

    Raises:
        TrainingError: if there are no files, a file has no segment, or a logit is not finite.
    """
    import numpy as np

    files = [np.atleast_2d(np.asarray(logits, dtype=np.float64)) for logits in logits_by_file]
    if not files or not all(len(logits) for logits in files):
        raise TrainingError("calibration needs files, each with at least one segment")
    pooled = np.stack([logits.mean(axis=0) for logits in files])
    if not np.isfinite(pooled).all():
        raise TrainingError("calibration: the model's outputs are not finite", "The training run has diverged.")
    return pooled
