"""Is one run better than another? Both judged the same utterances, so the test is paired."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcqtool.errors import TableError
from pcqtool.evaluation.predictions import Predictions
from pcqtool.metrics.bootstrap import Run, paired


def compare(first: Predictions, second: Predictions) -> dict[str, Any]:
    """Compare two runs: WA and UA with a bootstrap over speakers, and McNemar's exact test on utterances.

    A run with several seeds has the mean of its seeds' accuracies; in McNemar's test, which takes one answer for each
    utterance, its seeds decide together.

    Returns:
        ``n_utterances``, ``n_speakers``, and of ``wa`` and ``ua`` the value in ``first`` and ``second``, their
        ``difference`` with ``interval`` and ``p`` (null without two known speakers); and ``mcnemar``.

    Raises:
        TableError: if they have not judged the same utterances, or differ in labels, truth or speakers.
    """
    one, other = first.ensemble(), second.ensemble()
    _check(first, second, one, other)
    scores = first.score(), second.score()
    known = None not in set(one.speaker)
    tests = paired(_run(first), _run(second), len(first.labels)) if known else None
    figures: dict[str, Any] = {"n_utterances": len(one), "n_speakers": len({*one.speaker} - {None})}
    for place, name in enumerate(("wa", "ua")):
        values = [getattr(each, name) for each in scores]
        test = asdict(tests[place]) if tests else {"interval": None, "p": None}
        figures[name] = {"first": values[0], "second": values[1], "difference": values[0] - values[1], **test}
    right = [each.truth == each.label for each in (one, other)]
    return figures | {"mcnemar": mcnemar(*right)}


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> dict[str, Any]:
    """Give McNemar's exact test of two runs' right answers ``(N,)``.

    It asks whether those that one run alone has right are shared out as by tossing a coin. It takes utterances as
    independent, which those of one speaker are not: the bootstrap over speakers is the more careful of the two.
    Source: McNemar, Psychometrika 12, 1947; in its exact, binomial form.
    """
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    n = only_first + only_second
    p = float(binomtest(only_first, n, 0.5).pvalue) if n else 1.0
    return {"only_first_right": only_first, "only_second_right": only_second, "p": p}


def _run(predictions: Predictions) -> Run:
    return predictions.truth, predictions.label, [str(name) for name in predictions.speaker]


def _check(first: Predictions, second: Predictions, one: Predictions, other: Predictions) -> None:
    if first.labels != second.labels:
        raise TableError(
            f"the runs have other labels: {', '.join(first.labels)} and {', '.join(second.labels)}",
            "Only runs on the same classes can be compared.",
        )
    alone = {*one.key} ^ {*other.key}
    if alone:
        raise TableError(
            f"the runs have not judged the same utterances: {len(alone)} are in one of them alone, "
            f"first {min(str(file) for file, *_ in alone)}",
            "Compare runs on the same corpus.",
        )
    if not np.array_equal(one.truth, other.truth):  # tables are sorted, and so are in the same order
        raise TableError("the runs differ in what the utterances truly are", "Compare runs on the same corpus.")
    if not np.array_equal(one.speaker, other.speaker):
        raise TableError("the runs differ in who speaks the utterances", "Give both the same names of speakers.")
    for each in (first, second):
        counts = np.bincount(each.utterance)
        if counts.min() != counts.max():
            raise TableError("a run has judged some utterances more often than others", "Run it to its end.")
