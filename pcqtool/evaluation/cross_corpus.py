"""Cross-corpus evaluation: train on some corpora and test on another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pcqtool.corpora.pool import CorpusPool
from pcqtool.evaluation.cross_validation import EvaluationTask
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.training.data import build_spoken
from pcqtool.training.experiment import Experiment
from pcqtool.training.feature_cache import keep_states


def across_corpora(
    experiment: Experiment,
    test: CorpusPool,
    n_jobs: int = 1,
    on_states: Callable[[int, int], None] = lambda done, total: None,
) -> EvaluationTask:
    """Return the task of testing on another corpus, segmented as labelling segments it.

    Its folds are those of ``cross_corpus_protocol``.

    Args:
        experiment: an experiment on the training corpora's ``prefixed_utterances``.
        test: the corpus to test on, with the same labels.
        n_jobs: number of recordings that are read in parallel.
        on_states: called with the number of segments encoded by a frozen encoder, and their total.

    Raises:
        CorpusError: if a recording cannot be read.
    """
    data, config = build_spoken(test.utterances, n_jobs), experiment.config.encoder
    if experiment.encoder is not None and config.frozen and experiment.recipe.cache:
        frozen = load_pretrained(experiment.encoder, config.layers, frozen=True)
        data = replace(data, states=keep_states(frozen, data, experiment.device, on_states))
    utterances = [*experiment.utterances, *test.prefixed_utterances]
    return EvaluationTask(experiment, test.name, utterances, test.utterances, data)
