"""The temperatures of a network: fitted to corpora that it was not trained on, or to its validation part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcqtool.errors import TrainingError
from pcqtool.metrics.calibration import fit_temperature
from pcqtool.model.network import AnyNetwork
from pcqtool.training.data import SegmentSet, TrainingSetup
from pcqtool.training.network_inputs import FrontEnds
from pcqtool.training.profiles import Assignment, assign_profiles
from pcqtool.training.trainer import file_probabilities, predict_logits, refit

MIN_CORPORA = 3
"""Corpora that are needed to leave one out for calibration."""


@dataclass(frozen=True)
class Temperatures:
    """Divisors of the logits.

    Attributes:
        profiled: for inputs that are standardised by the profile of their batch.
        plain: for inputs that are standardised by the training data.
    """

    profiled: float
    plain: float


@dataclass(frozen=True)
class _Predicted:
    """Logits ``(N, L)`` of files that were left out, with a profile and without, and true and possible classes."""

    profiled: NDArray[np.float64]
    plain: NDArray[np.float64]
    targets: NDArray[np.int64]
    allowed: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64]) -> _Predicted:
        """Return some of the files."""
        return _Predicted(self.profiled[rows], self.plain[rows], self.targets[rows], self.allowed[rows])


def calibrate_on_validation(model: AnyNetwork, setup: TrainingSetup, validation: Sequence[int]) -> Temperatures:
    """Fit the temperatures to the validation part, whose speakers are new but whose corpora are not."""
    return _fit([_predict(model, setup, validation)])


def calibrate_on_corpora(
    setup: TrainingSetup,
    n_epochs: int,
    without: Callable[[Sequence[int]], TrainingSetup],
    on_corpus: Callable[[int, int], None] = lambda done, total: None,
) -> Temperatures:
    """Fit the temperatures to corpora that were left out, each by a network that is trained on the others.

    Each corpus counts equally, with as many files as the smallest has.

    Args:
        setup: the training of the network itself, on ``MIN_CORPORA`` corpora or more.
        n_epochs: passes over the other corpora.
        without: returns the training on some of the utterances.
        on_corpus: called with the number of corpora that have been left out, and their total.

    Raises:
        TrainingError: if no corpus shares a class with the others.
    """
    train, corpus = np.asarray(setup.train), setup.groups.corpus
    predicted = []
    numbers = np.unique(corpus[train])
    for done, number in enumerate(numbers):
        on_corpus(done, len(numbers))
        part = without([int(index) for index in train[corpus[train] != number]])
        known = np.flatnonzero(part.allowed_classes.any(axis=0))
        tested = [int(index) for index in train[corpus[train] == number] if setup.targets[index] in known]
        if tested:
            predicted.append(_predict(refit(part, n_epochs), part, tested))
    on_corpus(len(numbers), len(numbers))
    if not predicted:
        raise TrainingError(
            "no two corpora have a class in common, so that none can be left out for calibration",
            'Set calibration = "validation" in your own recipe.',
        )
    return _fit(predicted)


def _predict(model: AnyNetwork, setup: TrainingSetup, utterances: Sequence[int]) -> _Predicted:
    data, groups = setup.data, setup.groups
    front_ends = FrontEnds.of(model, data, data.recorded_rows(utterances))
    assignment = assign_profiles(front_ends, groups, utterances)
    rule = setup.recipe.aggregation
    profiled, plain = (_file_logits(front_ends, data, utterances, rule, each) for each in (assignment, None))
    targets, corpora = setup.targets[list(utterances)], groups.corpus[list(utterances)]
    allowed = np.zeros(profiled.shape, bool)
    for number in np.unique(corpora):
        allowed[np.ix_(corpora == number, np.unique(targets[corpora == number]))] = True
    return _Predicted(profiled, plain, targets, allowed)


def _file_logits(
    front_ends: FrontEnds, data: SegmentSet, utterances: Sequence[int], rule: str, assignment: Assignment | None
) -> NDArray[np.float64]:
    """Return the logarithms of files' probabilities ``(N, L)``.

    The temperature is fitted to files, so that it fits the probabilities that users get: exactly with the rules
    ``mean-log`` and ``duration``; the other rules aggregate what it has divided, and differ for several segments only.
    """
    logits = predict_logits(front_ends, utterances, assignment)
    return np.asarray(np.log(file_probabilities(logits, data, utterances, rule).clip(1e-300)))


def _fit(parts: Iterable[_Predicted]) -> Temperatures:
    parts = list(parts)
    n_files = min(len(part.targets) for part in parts)
    rng = np.random.default_rng(0)
    chosen = [part.take(np.sort(rng.choice(len(part.targets), n_files, replace=False))) for part in parts]
    allowed, targets = (np.concatenate([getattr(each, name) for each in chosen]) for name in ("allowed", "targets"))
    profiled, plain = (
        fit_temperature(np.concatenate([getattr(each, name) for each in chosen]), targets, allowed)
        for name in ("profiled", "plain")
    )
    return Temperatures(profiled, plain)
