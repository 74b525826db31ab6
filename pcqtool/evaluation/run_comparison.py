"""Comparison of any number of runs: their scores, and the paired difference of each from a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pcqtool.errors import TableError
from pcqtool.evaluation.compare import check_repetitions
from pcqtool.evaluation.predictions import Predictions
from pcqtool.evaluation.run_conditions import RunConditions, differences
from pcqtool.evaluation.run_directory import Estimate
from pcqtool.json_format import JsonFormat
from pcqtool.labels import sort_labels
from pcqtool.metrics.bootstrap import Difference, Outcomes, paired_bootstrap
from pcqtool.metrics.multiple_tests import holm
from pcqtool.metrics.scores import Scores

CORRECTION = "Holm"


@dataclass(frozen=True)
class PairedDifference:
    """The difference of a run's score from the baseline's, on the same utterances.

    Attributes:
        difference: run minus baseline.
        interval: 95 % interval by bootstrap over speakers; None with fewer than two known speakers.
        p: two-sided p-value, likewise.
        p_holm: the same, corrected by Holm for the number of runs that are compared with the baseline.
    """

    difference: float
    interval: tuple[float, float] | None
    p: float | None
    p_holm: float | None


@dataclass(frozen=True)
class ComparedRun:
    """A run in a comparison; its scores are those of the shared utterances.

    Attributes:
        name: name of its directory.
        conditions: what it was tested on and how.
        n_utterances: how many utterances the run has, shared or not.
        wa, ua: the scores with their intervals over speakers.
        ece: the expected calibration error.
        from_baseline: the differences in ``wa`` and ``ua``; None for the baseline.
    """

    name: str
    conditions: RunConditions
    n_utterances: int
    wa: Estimate
    ua: Estimate
    ece: float
    from_baseline: Mapping[str, PairedDifference] | None

    def to_dict(self) -> dict[str, Any]:
        """Return the run as JSON values."""
        scores = {name: {"value": each.value, "interval": each.interval} for name, each in self._scores}
        found = self.from_baseline
        return {
            "run": self.name,
            **asdict(self.conditions),
            "marks": self.conditions.marks,
            "n_utterances": self.n_utterances,
            **scores,
            "ece": self.ece,
            "from_baseline": None if found is None else {name: asdict(each) for name, each in found.items()},
        }

    @property
    def _scores(self) -> tuple[tuple[str, Estimate], ...]:
        return ("ua", self.ua), ("wa", self.wa)


@dataclass(frozen=True)
class RunComparison:
    """Several runs on the utterances that all of them have.

    Attributes:
        runs: sorted by UA, best first.
        baseline: name of the run that the others are compared with.
        baseline_is_best: whether it was chosen for its UA, the highest of the runs that do not leak.
        n_utterances: number of shared utterances.
        n_speakers: number of their known speakers.
        warnings: what the figures need, such as a protocol that leaks.
    """

    runs: tuple[ComparedRun, ...]
    baseline: str
    baseline_is_best: bool
    n_utterances: int
    n_speakers: int
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return {
            "schema": JsonFormat.COMPARE,
            "n_utterances": self.n_utterances,
            "n_speakers": self.n_speakers,
            "baseline": self.baseline,
            "baseline_is_best": self.baseline_is_best,
            "correction": CORRECTION,
            "runs": [run.to_dict() for run in self.runs],
            "warnings": self.warnings,
        }


def compare_predictions(
    runs: Mapping[str, tuple[Predictions, RunConditions]], baseline: str | None = None
) -> RunComparison:
    """Compare runs on the utterances that all of them have.

    Args:
        runs: predictions and conditions by name.
        baseline: the run that the others are compared with; None for the one with the highest UA among those that do
            not leak.

    Raises:
        TableError: if no utterance is shared, or the runs differ in true classes or speakers.
    """
    shared = _shared({name: predictions for name, (predictions, _) in runs.items()})
    scores = {name: each.score() for name, each in shared.items()}
    order = sorted(runs, key=lambda name: -scores[name].ua)
    honest = [name for name in order if not runs[name][1].leaks] or order
    chosen = honest[0] if baseline is None else baseline
    found = _differences(shared, scores, chosen, [name for name in order if name != chosen])
    conditions = {name: some for name, (_, some) in runs.items()}
    speakers = _facts(shared[chosen])
    return RunComparison(
        runs=tuple(
            ComparedRun(
                name,
                conditions[name],
                len(set(runs[name][0].key)),
                Estimate(scores[name].wa, scores[name].wa_interval),
                Estimate(scores[name].ua, scores[name].ua_interval),
                scores[name].ece,
                found.get(name),
            )
            for name in order
        ),
        baseline=chosen,
        baseline_is_best=baseline is None,
        n_utterances=len(speakers),
        n_speakers=len({speaker for _, speaker in speakers.values()} - {None}),
        warnings=(
            *(f"{name}: {conditions[name].leakage}" for name in runs if conditions[name].leaks),
            *differences(list(conditions.values())),
        ),
    )


def _shared(runs: Mapping[str, Predictions]) -> dict[str, Predictions]:
    """Return each run's rows of the utterances that all runs have."""
    keys = set.intersection(*(set(each.key) for each in runs.values()))
    if not keys:
        raise TableError("the runs share no utterance", "Compare runs on the same corpus.")
    found = {
        name: each.select(np.fromiter((key in keys for key in each.key), bool, len(each)))
        for name, each in runs.items()
    }
    first, *others = found
    for name in others:
        for index, what in enumerate(("true classes", "speakers")):
            one, other = ({key: some[index] for key, some in _facts(found[run]).items()} for run in (first, name))
            if one != other:
                raise TableError(
                    f"{first} and {name} differ in the {what} of utterances", "Compare runs on the same corpus."
                )
    for each in found.values():
        check_repetitions(each)
    return found


def _facts(run: Predictions) -> dict[Any, tuple[str, Any]]:
    """Return the true class and the speaker of each utterance."""
    return {
        key: (run.labels[truth], speaker) for key, truth, speaker in zip(run.key, run.truth, run.speaker, strict=True)
    }


def _differences(
    runs: Mapping[str, Predictions], scores: Mapping[str, Scores], baseline: str, others: Sequence[str]
) -> dict[str, dict[str, PairedDifference]]:
    """Return the differences of the other runs from the baseline, by run and score."""
    labels = sort_labels(label for run in runs.values() for label in run.labels)
    known = all(speaker is not None for speaker in runs[baseline].speaker)
    reference = _outcomes(runs[baseline], labels)
    tests = {
        name: paired_bootstrap(_outcomes(runs[name], labels), reference, len(labels)) if known else None
        for name in others
    }
    found: dict[str, dict[str, PairedDifference]] = {name: {} for name in others}
    for index, score in enumerate(("wa", "ua")):
        of_score: dict[str, Difference] = {name: test[index] for name, test in tests.items() if test}
        corrected = dict(zip(of_score, holm([each.p for each in of_score.values()]), strict=True))
        for name in others:
            difference = getattr(scores[name], score) - getattr(scores[baseline], score)
            test = of_score.get(name)
            rest = (test.interval, test.p, corrected[name]) if test else (None, None, None)
            found[name][score] = PairedDifference(difference, *rest)
    return found


def _outcomes(run: Predictions, labels: Sequence[str]) -> Outcomes:
    """Return the outcomes with indices into labels that all runs have in common."""
    index = np.array([labels.index(label) for label in run.labels], np.int64)
    return index[run.truth], index[run.label], [str(name) for name in run.speaker]
