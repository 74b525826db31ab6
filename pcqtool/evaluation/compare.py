"""Comparison of two runs on the same utterances, by paired tests."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcqtool.errors import TableError
from pcqtool.evaluation.predictions import Predictions
from pcqtool.metrics.bootstrap import Outcomes, paired_bootstrap


def compare(first: Predictions, second: Predictions) -> dict[str, Any]:
    """Compare two runs: WA and UA with a bootstrap over speakers, and McNemar's exact test on utterances.

    The accuracy of a run with several seeds is the mean over its seeds. McNemar's test needs one prediction for each
    utterance, so it takes that of the seeds' ensemble.

    Returns:
        ``n_utterances`` and ``n_speakers``; under ``wa`` and ``ua`` the scores of the ``first`` and ``second`` run and
        their ``difference`` with ``interval`` and ``p`` (None with fewer than two speakers); and ``mcnemar``.

    Raises:
        TableError: if the runs have different utterances, labels, true classes or speakers.
    """
    ensembles = first.ensemble(), second.ensemble()
    _check(first, second, *ensembles)
    speakers = set(ensembles[0].speaker)
    tests = paired_bootstrap(_outcomes(first), _outcomes(second), len(first.labels)) if None not in speakers else None
    scores = first.score(), second.score()
    figures: dict[str, Any] = {"n_utterances": len(ensembles[0]), "n_speakers": len(speakers - {None})}
    for index, name in enumerate(("wa", "ua")):
        values = [getattr(each, name) for each in scores]
        test = asdict(tests[index]) if tests else {"interval": None, "p": None}
        figures[name] = {"first": values[0], "second": values[1], "difference": values[0] - values[1], **test}
    return figures | {"mcnemar": mcnemar(*(each.truth == each.label for each in ensembles))}


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> dict[str, Any]:
    """Return McNemar's exact test, given which predictions ``(N,)`` of two runs are correct.

    The null hypothesis: an utterance that only one run predicts correctly is as likely to be the first run's as the
    second's. The test assumes independent utterances. Those of one speaker are not independent, so the bootstrap over
    speakers is the more careful of the two tests. Source: McNemar, Psychometrika 12, 1947; exact binomial form.
    """
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    n = only_first + only_second
    p = float(binomtest(only_first, n, 0.5).pvalue) if n else 1.0
    return {"only_first_right": only_first, "only_second_right": only_second, "p": p}


def _outcomes(predictions: Predictions) -> Outcomes:
    return predictions.truth, predictions.label, [str(name) for name in predictions.speaker]


def _check(first: Predictions, second: Predictions, one: Predictions, other: Predictions) -> None:
    if first.labels != second.labels:
        raise TableError(
            f"the runs have different labels: {', '.join(first.labels)} and {', '.join(second.labels)}",
            "Only runs on the same classes can be compared.",
        )
    unpaired = {*one.key} ^ {*other.key}
    if unpaired:
        raise TableError(
            f"the runs have different utterances: {len(unpaired)} are in only one of them, "
            f"first {min(str(file) for file, *_ in unpaired)}",
            "Compare runs on the same corpus; with --baseline, they are compared on the utterances that both have.",
        )
    if not np.array_equal(one.truth, other.truth):  # both tables are sorted in the same way
        raise TableError("the runs differ in the true classes of utterances", "Compare runs on the same corpus.")
    if not np.array_equal(one.speaker, other.speaker):
        raise TableError("the runs differ in the speakers of utterances", "Use the same names of speakers in both.")
    for each in (first, second):
        check_repetitions(each)


def check_repetitions(predictions: Predictions) -> None:
    """Check that a run has as many predictions for each utterance as for the others.

    Raises:
        TableError: if some folds of some seeds are missing.
    """
    counts = np.bincount(predictions.utterance)
    if counts.min() != counts.max():
        raise TableError("a run has more predictions for some utterances than for others", "Let the run finish.")
