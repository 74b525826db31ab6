"""From predictions to figures: what goes into an evaluation's ``metrics.json``."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from pcqtool import __version__
from pcqtool.corpora.base import Utterance
from pcqtool.evaluation.cross_validation import EvaluationTask, FoldResult
from pcqtool.evaluation.output import Evaluation
from pcqtool.evaluation.prediction_table import Predicted, tabulate
from pcqtool.evaluation.predictions import Predictions
from pcqtool.metrics.scores import fold_spread
from pcqtool.splits import Fold, Protocol, leakage_report, overlap
from pcqtool.training.provenance import run_provenance

ENSEMBLE = "an ensemble: the models of all seeds decide together, by the mean of their log-probabilities"


def summarise(predictions: Predictions) -> dict[str, Any]:
    """Score predictions: all together, by seed, by fold; and the seeds' joint decision apart from all that.

    ``pooled`` scores the rows of all seeds: its WA, its UA and its recalls are the means over seeds, its confusion
    matrix counts every utterance once a seed. Intervals draw speakers, with all rows of theirs.
    """
    seeds, folds = predictions.by("seed"), predictions.by("fold")
    by_seed = {str(seed): own.score() for seed, own in seeds.items()}
    runs = [own.score() for each in seeds.values() for own in each.by("fold").values()]
    figures: dict[str, Any] = {
        "n_utterances": len(set(predictions.key)),
        "n_speakers": len({*predictions.speaker} - {None}),
        "labels": list(predictions.labels),
        "pooled": predictions.score().to_dict(),
    }
    if seeds:
        figures |= {
            "seeds": list(seeds),
            "over_seeds": _spreads(fold_spread(list(by_seed.values()))),
            "folds": _spreads(fold_spread(runs)),
            "by_seed": {name: own.to_dict() for name, own in by_seed.items()},
            "by_fold": {name: own.score().to_dict() for name, own in folds.items()},
        }
    if len(seeds) > 1:
        figures["seeds_together"] = {"what": ENSEMBLE} | predictions.together().score().to_dict()
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
    predicted = [
        Predicted(
            task.test_indices(each.fold.test),
            each.probabilities,
            each.uncalibrated,
            each.temperature,
            each.fold.name,
            each.seed,
        )
        for each in results
    ]
    table = tabulate(predicted, task.test_utterances, data, experiment.labels, recipe.aggregation, recipe.name)
    metrics = {
        "corpus": task.corpus,
        **describe_protocol(protocol, folds, task.utterances, experiment.adapt),
        **summarise(Predictions.of(table, experiment.labels)),
        **describe_runs(task, results),
        **run_provenance(task.corpus, task.test_utterances, data),
        **describe_machine(experiment.device),
    }
    return Evaluation(metrics, table, recipe.name, "", recipe.aggregation)


def describe_protocol(
    protocol: Protocol, folds: Mapping[int, Sequence[Fold]], utterances: Sequence[Utterance], adapted: bool = False
) -> dict[str, Any]:
    """Say how the figures came about, and what has to be known before they are believed."""
    every = [fold for some in folds.values() for fold in some]
    return {
        "protocol": protocol.name,
        "protocol_title": protocol.title,
        **leakage_report(protocol, every, utterances, adapted).to_dict(),
    }


def describe_runs(task: EvaluationTask, results: Sequence[FoldResult]) -> dict[str, Any]:
    """Describe the settings and each training run."""
    experiment = task.experiment
    return {
        "validation_ua": fmean(result.best["validation_ua"] for result in results),
        "runs": [_run(task, result) for result in results],
        "recipe": experiment.recipe.to_dict(),
        **experiment.pretrained_names,
        "adapted": experiment.adapt,
    }


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Say where and with what the figures were made."""
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
        "n_learnt": len(task.experiment.final_training_part(fold)),
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


def _spreads(spreads: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asdict(spread) for name, spread in spreads.items()}


def _processor() -> str:
    """Name the processor; Linux tells its name in a file alone."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
