"""Training on some corpora and testing on another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.corpora.pool import CorpusPool
from pcqtool.evaluation.cross_validation import FoldResult
from pcqtool.evaluation.output import Evaluation
from pcqtool.evaluation.prediction_table import Predicted, tabulate
from pcqtool.evaluation.predictions import Predictions
from pcqtool.evaluation.summary import describe_machine, describe_protocol, describe_runs, summarise
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.splits import Fold, Protocol
from pcqtool.training.data import build_spoken
from pcqtool.training.experiment import Experiment, Trained
from pcqtool.training.feature_cache import keep_states
from pcqtool.training.provenance import describe_origin
from pcqtool.training.recipe import Recipe
from pcqtool.training.trainer import file_probabilities, judge


class CrossExperiment(Experiment):
    """An experiment whose test part is another corpus, heard as labelling hears it: nothing is learnt from it.

    Its folds are those of ``pcqtool.splits.cross_corpus``: indices into the utterances of ``train`` followed by
    those of ``test``.

    Args:
        train: the corpora to learn from.
        test: the one to test on, with the same labels.
        recipe, device, encoder, teacher, n_jobs, on_states: as for ``Experiment``.
    """

    def __init__(
        self,
        train: CorpusPool,
        test: CorpusPool,
        recipe: Recipe,
        device: torch.device,
        encoder: str | None = None,
        teacher: str | None = None,
        n_jobs: int = 1,
        on_states: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        heard = train.prefixed_utterances
        super().__init__(heard, recipe, device, encoder, teacher, n_jobs, on_states)
        self.n_heard = len(heard)
        self.utterances = [*heard, *test.prefixed_utterances]
        self.test_name, self.test_utterances = test.name, test.utterances
        self.test_data = build_spoken(self.test_utterances, n_jobs)
        encoding = self.config.encoder
        if encoder is not None and encoding.frozen and recipe.cache:
            frozen = load_pretrained(encoder, encoding.layers, frozen=True)
            self.test_data = replace(self.test_data, states=keep_states(frozen, self.test_data, device, on_states))

    @cached_property
    def digest(self) -> str:
        """Hash of what is heard, in the test corpus too, and by what."""
        return hashlib.sha256(f"{super().digest} {self.test_data.digest}".encode()).hexdigest()

    def judge(self, trained: Trained, utterances: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give probabilities ``(U, L)`` of utterances of the test part, calibrated and without the temperature."""
        places = self.places(utterances)
        logits = judge(trained.model, self.test_data, places)
        rule = self.recipe.aggregation
        calibrated = file_probabilities(logits, self.test_data, places, rule, trained.temperature)
        return calibrated, file_probabilities(logits, self.test_data, places, rule)

    def places(self, utterances: Sequence[int]) -> list[int]:
        """Give the indices of test utterances in their own corpus."""
        return [index - self.n_heard for index in utterances]


def conclude_across(
    experiment: CrossExperiment,
    protocol: Protocol,
    folds: Mapping[int, Sequence[Fold]],
    results: Sequence[FoldResult],
) -> Evaluation:
    """Make the figures and the table of a cross-corpus evaluation; speakers in it have the test corpus's own names.

    Args:
        experiment: the corpora and the recipe.
        protocol: that made the folds.
        folds: for each seed.
        results: of all of them.
    """
    recipe, name, data = experiment.recipe, experiment.test_name, experiment.test_data
    judged = [
        Predicted(
            experiment.places(each.fold.test),
            each.probabilities,
            each.uncalibrated,
            each.temperature,
            each.fold.name,
            each.seed,
        )
        for each in results
    ]
    table = tabulate(judged, experiment.test_utterances, data, experiment.labels, recipe.aggregation, recipe.name)
    metrics = {
        "corpus": name,
        **describe_protocol(protocol, folds, experiment.utterances),
        **summarise(Predictions.of(table, experiment.labels)),
        **describe_runs(experiment, results),
        **describe_origin(name, experiment.test_utterances, data),
        **describe_machine(experiment.device),
    }
    return Evaluation(metrics, table, recipe.name, "", recipe.aggregation)
