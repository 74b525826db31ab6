"""The content of an evaluation's ``metrics.json``: scores, settings, training runs and machine."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from pcqtool.corpora.base import Utterance
from pcqtool.evaluation.corpus_profile import PROFILE_NOTES
from pcqtool.evaluation.cross_validation import EvaluationTask, FoldResult
from pcqtool.evaluation.predictions import ModelPredictions, Predictions, predictions_table
from pcqtool.evaluation.run_directory import Evaluation
from pcqtool.json_format import JsonFormat
from pcqtool.metrics.scores import fold_spread
from pcqtool.model.profile_file import OFF
from pcqtool.splits import Fold, Protocol, leakage_report, overlap
from pcqtool.training.provenance import run_provenance
from pcqtool.version import __version__

ENSEMBLE = "an ensemble of the models of all seeds, by the mean of their log-probabilities"


def summarise(predictions: Predictions) -> dict[str, Any]:
    """Score predictions: pooled, by seed, by fold, and separately the ensemble of the seeds' models.

    ``pooled`` scores the rows of all seeds. Its WA, UA and recalls are the means over seeds, and its confusion matrix
    counts every utterance once per seed. Intervals draw speakers, each with all of their rows. ``risk_coverage`` is of
    the same rows.
    """
    seeds, folds = predictions.group_by("seed"), predictions.group_by("fold")
    by_seed = {str(seed): rows.score() for seed, rows in seeds.items()}
    runs = [rows.score() for each in seeds.values() for rows in each.group_by("fold").values()]
    figures: dict[str, Any] = {
        "n_utterances": len(set(predictions.key)),
        "n_speakers": len({*predictions.speaker} - {None}),
        "labels": list(predictions.labels),
        "pooled": predictions.score().to_dict(),
        "risk_coverage": [asdict(each) for each in predictions.risk_coverage()],
    }
    if seeds:
        figures |= {
            "seeds": list(seeds),
            "over_seeds": _spreads(fold_spread(list(by_seed.values()))),
            "folds": _spreads(fold_spread(runs)),
            "by_seed": {name: scores.to_dict() for name, scores in by_seed.items()},
            "by_fold": {name: rows.score().to_dict() for name, rows in folds.items()},
        }
    if len(seeds) > 1:
        figures["ensembled_seeds"] = {"what": ENSEMBLE} | predictions.ensemble().score().to_dict()
    return figures


def conclude(
    task: EvaluationTask, protocol: Protocol, folds: Mapping[int, Sequence[Fold]], results: Sequence[FoldResult]
) -> Evaluation:
    """Compute the metrics and the table of predictions of a cross-validation or a cross-corpus evaluation.

    Args:
        task: the experiment and the tested corpus.
        protocol: the protocol of the folds.
        folds: all folds of each seed.
        results: their results.
    """
    experiment, recipe, data = task.experiment, task.experiment.recipe, task.test_data
    tested = {index for each in results for index in each.fold.test}
    labels = task.labels_of(tested)
    columns = [experiment.labels.index(label) for label in labels]
    predictions = [
        ModelPredictions(
            task.test_indices(each.fold.test),
            each.probabilities[:, columns],
            each.uncalibrated[:, columns],
            each.temperature,
            each.fold.name,
            each.seed,
        )
        for each in results
    ]
    table = predictions_table(predictions, task.test_utterances, data, labels, recipe.aggregation, recipe.name)
    metrics = {
        "schema": JsonFormat.EVALUATION,
        "corpus": task.corpus,
        **describe_protocol(protocol, folds, task.utterances, standardised_by(task)),
        **summarise(Predictions.from_table(table, labels)),
        "left_out": _left_out(task, tested),
        **describe_runs(task, results),
        **run_provenance(task.corpus, task.test_utterances, data),
        **describe_machine(experiment.device),
    }
    return Evaluation(metrics, table, recipe.name, "", recipe.aggregation)


def describe_protocol(
    protocol: Protocol, folds: Mapping[int, Sequence[Fold]], utterances: Sequence[Utterance], note: str = ""
) -> dict[str, Any]:
    """Describe the protocol and the leakage between its parts."""
    all_folds = [fold for some in folds.values() for fold in some]
    return {
        "protocol": protocol.name,
        "protocol_title": protocol.title,
        **leakage_report(protocol, all_folds, utterances, note).to_dict(),
    }


def standardised_by(task: EvaluationTask) -> str:
    """Return a sentence on the profiles of the test part; empty for a network without profiles."""
    return PROFILE_NOTES[task.profile] if task.experiment.config.profile_s else ""


def describe_runs(task: EvaluationTask, results: Sequence[FoldResult]) -> dict[str, Any]:
    """Describe the settings and each training run."""
    experiment = task.experiment
    return {
        "validation_ua": fmean(result.best["validation_ua"] for result in results),
        "runs": [_run(task, result) for result in results],
        "recipe": experiment.recipe.to_dict(),
        **experiment.pretrained_names,
        **({"plugins": list(map(str, experiment.plugins))} if experiment.plugins else {}),
        "profile": task.profile if experiment.config.profile_s else OFF,
    }


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Describe the versions and the machine."""
    return {
        "tool_version": __version__,
        "torch_version": torch.__version__,
        "machine": {
            "processor": _processor(),
            "n_cores": os.cpu_count(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        },
    }


def _run(task: EvaluationTask, result: FoldResult) -> dict[str, Any]:
    fold, utterances = result.fold, task.utterances
    return {
        "seed": result.seed,
        "fold": fold.name,
        "n_train": len(fold.train),
        "n_trained_on": len(task.experiment.final_training_part(fold)),
        "n_validation": len(fold.validation),
        "n_test": len(fold.test),
        "validation_speakers": sorted({utterances[index].speaker or "" for index in fold.validation} - {""}),
        "validation_ua": result.best["validation_ua"],
        "best_epoch": result.best_epoch,
        "n_epochs": len(result.history),
        "temperature": result.temperature,
        "elapsed_s": result.elapsed_s,
        "overlap": asdict(overlap(fold, utterances)),
    }


def _left_out(task: EvaluationTask, tested: Collection[int]) -> dict[str, int]:
    """Count the utterances of the tested corpora that no fold tests, by label."""
    n_before = len(task.utterances) - len(task.test_utterances)
    untested = (each for index, each in enumerate(task.test_utterances, n_before) if index not in tested)
    return dict(sorted(Counter(each.label for each in untested).items()))


def _spreads(spreads: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asdict(spread) for name, spread in spreads.items()}


def _processor() -> str:
    """Return the processor's name; on Linux, only a file contains it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
