"""Aggregation: the rules that combine the predictions of segments into that of a file."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pcqtool.errors import ModelError, SettingsError

Array = NDArray[np.float64]

FLOOR = math.log(np.finfo(np.float64).tiny)
"""Log-probability that replaces −∞, about −708: no single segment can rule out every label."""

DISAGREEMENT = 0.2
"""Disagreement of the segments, in nats, at which ``blend`` is half-way between ``duration`` and their mean."""

TIE = 1e-6
"""Weight of the mean-log probabilities, in votes; they decide between labels with equally many votes."""


def aggregate(log_probs: Array, durations_s: Array, rule: str = "mean-log") -> Array:
    """Compute a file's probabilities from the log-probabilities of its segments.

    Sums are correctly rounded, so the result does not depend on the order of segments, not even in the last bit.

    Rules:
        ``mean-log``: softmax of the mean of the segments' log-softmax, the paper's reading and the default.
        ``mean``: mean of the segments' probabilities.
        ``vote``: fraction of the segments whose most probable label it is; ``mean-log`` decides between equal votes.
        ``duration``: ``mean-log``, each segment weighted by its seconds, so that a short tail counts little.
        ``blend``: between ``duration`` (G) and the mean of the probabilities weighted by seconds (M), as far as the
        segments disagree: ``P = m M + (1 - m) G`` with ``m = J² / (J² + DISAGREEMENT²)``, where J is the Jensen-Shannon
        divergence of the segments, ``H(M) - Σ wᵢ H(pᵢ)`` in nats. Segments that agree are evidence of one mood.
        Segments that disagree have different moods, and a probability is the expected share of time. A track that is
        joined with itself keeps its probabilities.

    Args:
        log_probs: shape (n, L), of n ≥ 1 segments and L labels; may be unnormalised (logits) or −inf.
        durations_s: shape (n,), seconds of each segment without padding; labelling passes seconds of speech.
        rule: one of ``AGGREGATIONS``.

    Returns:
        Shape (L,), summing to 1.

    Raises:
        SettingsError: if the rule is unknown.
        ModelError: if shapes do not fit, no segment is given, or a value is invalid (NaN, +inf, negative duration).
    """
    if rule not in RULES:
        raise SettingsError(f"unknown aggregation {rule!r}", f"Known: {', '.join(AGGREGATIONS)}.")
    log_probs = np.asarray(log_probs, np.float64)
    durations_s = np.asarray(durations_s, np.float64)
    _check(log_probs, durations_s)
    log_probs = _log_softmax(log_probs)
    if len(log_probs) == 1 and rule != "vote":  # most files of most corpora
        return _normalised(np.exp(log_probs[0]))
    return RULES[rule](log_probs, durations_s)


def _mean_log(log_probs: Array, durations_s: Array) -> Array:
    return _softmax(_mean(log_probs, np.ones(len(log_probs))))


def _mean_probability(log_probs: Array, durations_s: Array) -> Array:
    return _normalised(_mean(np.exp(log_probs), np.ones(len(log_probs))))


def _vote(log_probs: Array, durations_s: Array) -> Array:
    n_votes = np.bincount(log_probs.argmax(axis=1), minlength=log_probs.shape[1])
    return _normalised(n_votes + TIE * _mean_log(log_probs, durations_s))


def _duration(log_probs: Array, durations_s: Array) -> Array:
    return _softmax(_mean(log_probs, durations_s))


def _blend(log_probs: Array, durations_s: Array) -> Array:
    probabilities = np.exp(log_probs)
    mean = _normalised(_mean(probabilities, durations_s))
    within = _mean((-probabilities * log_probs).sum(axis=1, keepdims=True), durations_s)[0]
    disagreement = max(0.0, -math.fsum(mean * np.log(np.maximum(mean, math.exp(FLOOR)))) - within)
    share = disagreement**2 / (disagreement**2 + DISAGREEMENT**2)
    return _normalised(share * mean + (1.0 - share) * _duration(log_probs, durations_s))


RULES: dict[str, Callable[[Array, Array], Array]] = {
    "mean-log": _mean_log,
    "mean": _mean_probability,
    "vote": _vote,
    "duration": _duration,
    "blend": _blend,
}

AGGREGATIONS = tuple(RULES)
"""Names of the rules, the default first."""


def _check(log_probs: Array, durations_s: Array) -> None:
    if log_probs.ndim != 2 or 0 in log_probs.shape or durations_s.shape != log_probs.shape[:1]:
        raise ModelError(
            f"cannot aggregate: log-probabilities are of shape {log_probs.shape}, durations of {durations_s.shape}",
            "They must be (n, L) and (n,), with at least one segment and one label.",
        )
    if np.isnan(log_probs).any() or np.isposinf(log_probs).any():
        raise ModelError(
            "cannot aggregate: a log-probability is NaN or +inf", "The audio or the model contains such values."
        )
    if not (np.isfinite(durations_s).all() and (durations_s >= 0).all() and durations_s.any()):
        raise ModelError("cannot aggregate: durations must be finite, not negative, and not all 0")


def _log_softmax(logits: Array) -> Array:
    top = logits.max(axis=1, keepdims=True)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        shifted = np.where(np.isneginf(top), 0.0, logits - top)  # a row of −inf alone carries no information
    normalised: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.maximum(normalised, FLOOR)


def _mean(rows: Array, weights: Array) -> Array:
    weights = weights / weights.max()
    return np.array([math.fsum(column) for column in (rows * weights[:, None]).T]) / math.fsum(weights)


def _softmax(logits: Array) -> Array:
    return _normalised(np.exp(logits - logits.max()))


def _normalised(parts: Array) -> Array:
    return parts / math.fsum(parts)
