"""Cross-corpus evaluation: train on some corpora and test on another."""

from __future__ import annotations

from collections.abc import Callable

from pcqtool.corpora.pool import CorpusPool
from pcqtool.evaluation.cross_validation import EvaluationTask
from pcqtool.training.data import build_speech_segments
from pcqtool.training.experiment import Experiment


def across_corpora(
    experiment: Experiment,
    test: CorpusPool,
    n_jobs: int = 1,
    on_states: Callable[[int, int], None] = lambda done, total: None,
) -> EvaluationTask:
    """Return the task of testing on another corpus, segmented as labelling segments it.

    Its folds are those of ``cross_corpus_protocol``.

    Args:
        experiment: a prepared experiment on the training corpora's ``prefixed_utterances``.
        test: the corpus to test on, with the same labels.
        n_jobs: number of recordings that are read in parallel.
        on_states: called with the number of segments encoded by a frozen encoder, and their total.

    Raises:
        CorpusError: if a recording cannot be read.
    """
    data = experiment.with_states(build_speech_segments(test.utterances, n_jobs), on_states)
    utterances = [*experiment.utterances, *test.prefixed_utterances]
    return EvaluationTask(experiment, test.name, utterances, test.utterances, data)
