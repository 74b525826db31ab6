"""Cross-corpus evaluation: train on some corpora and test on others, segmented as labelling segments them."""

from __future__ import annotations

from pcqtool.batch.profiling import AUTO
from pcqtool.corpora.pool import CorpusPool
from pcqtool.evaluation.cross_validation import EvaluationTask
from pcqtool.progress import OnProgress, ignore
from pcqtool.training.data import group_utterances
from pcqtool.training.experiment import Experiment
from pcqtool.training.segments import build_speech_segments


def across_corpora(
    experiment: Experiment,
    test: CorpusPool,
    n_jobs: int = 1,
    on_progress: OnProgress = ignore,
    profile: str = AUTO,
) -> EvaluationTask:
    """Return the task of testing on another corpus, segmented as labelling segments it.

    Its folds are those of ``cross_corpus_protocol``.

    Args:
        experiment: a prepared experiment on the training corpora's ``prefixed_utterances``.
        test: the corpus to test on, with the same labels.
        n_jobs: number of recordings that are read in parallel.
        on_progress: called with recordings segmented, then with segments encoded by a frozen encoder.
        profile: as for ``EvaluationTask``.

    Raises:
        CorpusError: if a recording cannot be read.
    """
    data = experiment.with_features(build_speech_segments(test.utterances, n_jobs, on_progress), on_progress)
    utterances = [*experiment.utterances, *test.prefixed_utterances]
    groups = group_utterances(test.prefixed_utterances, experiment.labels, test.corpus_of_each)
    return EvaluationTask(experiment, test.name, utterances, test.utterances, data, groups, profile)


def between_corpora(
    experiment: Experiment,
    pool: CorpusPool,
    n_jobs: int = 1,
    on_progress: OnProgress = ignore,
    profile: str = AUTO,
) -> EvaluationTask:
    """Return the task of testing on each corpus of a pool, with the labels that it shares with those trained on.

    Its folds are those of ``leave_corpus_out``.

    Args:
        experiment: a prepared experiment on the pool's utterances.
        pool: the corpora.
        n_jobs: number of recordings that are read in parallel.
        on_progress: called with recordings segmented, then with segments encoded by a frozen encoder.
        profile: as for ``EvaluationTask``.

    Raises:
        CorpusError: if a recording cannot be read.
    """
    data = experiment.with_features(build_speech_segments(pool.utterances, n_jobs, on_progress), on_progress)
    tested = experiment.groups
    return EvaluationTask(experiment, pool.name, pool.utterances, pool.utterances, data, tested, profile, True)
