"""Cross-validation: a model for each fold, its test part judged once, all scored together."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool import __version__
from pcqtool.training.experiment import Experiment
from pcqtool.training.metrics import Scores, fold_spread, score
from pcqtool.training.splits import Fold, overlap


@dataclass(frozen=True)
class FoldResult:
    """One fold: its test part's probabilities ``(N, L)``, from a model that has not seen it."""

    fold: Fold
    probabilities: NDArray[np.float64]
    temperature: float
    n_epochs: int
    best_epoch: int
    validation_ua: float


def cross_validate(
    experiment: Experiment,
    folds: Sequence[Fold],
    seed: int,
    folder: Path,
    n_jobs: int = 1,
    on_fold: Callable[[FoldResult], None] = lambda result: None,
) -> list[FoldResult]:
    """Run all folds, several side by side; a fold that ``folder`` holds from an earlier run is not run again.

    Args:
        experiment: the corpus and recipe.
        folds: the protocol's.
        seed: of the training runs.
        folder: keeps each fold's result.
        n_jobs: folds at the same time, each with its share of the processor's cores.
        on_fold: told of every fold as it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = _fingerprint(experiment, seed)
    results = []
    for result in _run(experiment, folds, seed, folder, key, n_jobs):
        results.append(result)
        on_fold(result)
    return sorted(results, key=lambda result: result.fold.name)


def summarise(experiment: Experiment, results: Sequence[FoldResult], seed: int) -> dict[str, Any]:
    """Score folds one by one and all test parts together, with what the parts have in common."""
    scores = [_score(experiment, [result]) for result in results]
    pooled = _score(experiment, results)
    shared = [overlap(result.fold, experiment.utterances) for result in results]
    return {
        "pooled": pooled.to_dict(),
        "folds": {name: asdict(spread) for name, spread in fold_spread(scores).items()},
        "by_fold": {result.fold.name: own.to_dict() for result, own in zip(results, scores, strict=True)},
        "validation_ua": float(np.mean([result.validation_ua for result in results])),
        "overlap": {result.fold.name: asdict(own) for result, own in zip(results, shared, strict=True)},
        "epochs": {result.fold.name: [result.best_epoch, result.n_epochs] for result in results},
        "temperatures": {result.fold.name: result.temperature for result in results},
        "labels": list(experiment.labels),
        "recipe": experiment.recipe.to_dict(),
        "seed": seed,
        "tool_version": __version__,
        "torch_version": torch.__version__,
    }


def _score(experiment: Experiment, results: Sequence[FoldResult]) -> Scores:
    utterances = [index for result in results for index in result.fold.test]
    probabilities = np.concatenate([result.probabilities for result in results])
    speakers = [experiment.utterances[index].speaker or "" for index in utterances]
    truth = experiment.targets[utterances]
    return score(truth, probabilities.argmax(axis=1), probabilities, experiment.labels, speakers)


def _run(
    experiment: Experiment, folds: Sequence[Fold], seed: int, folder: Path, key: str, n_jobs: int
) -> Iterator[FoldResult]:
    from joblib import Parallel, delayed

    todo = []
    for fold in folds:
        path = folder / f"{fold.name}.json"
        found = json.loads(path.read_text()) if path.is_file() else {}
        if found.get("key") == key and found.get("test") == list(fold.test):
            yield _read(fold, found)
        else:
            todo.append(fold)
    n_threads = max(1, (os.cpu_count() or 1) // n_jobs)
    parallel = Parallel(n_jobs=n_jobs, backend="loky" if n_jobs > 1 else "sequential", return_as="generator_unordered")
    for result in parallel(delayed(_one)(experiment, fold, seed, n_threads) for fold in todo):
        _write(folder / f"{result.fold.name}.json", key, result)
        yield result


def _one(experiment: Experiment, fold: Fold, seed: int, n_threads: int) -> FoldResult:
    torch.set_num_threads(n_threads)
    trained = experiment.train(fold, seed)
    best = min(trained.history, key=lambda epoch: epoch.validation_loss)
    probabilities = experiment.probabilities(trained, fold.test)
    return FoldResult(
        fold, probabilities, trained.temperature, len(trained.history), best.number, best.validation_ua
    )


def _fingerprint(experiment: Experiment, seed: int) -> str:
    decisive = [experiment.recipe.to_dict(), seed, experiment.encoder, experiment.targets.tolist()]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, key: str, result: FoldResult) -> None:
    entries = asdict(result) | {"key": key, "test": result.fold.test, "probabilities": result.probabilities.tolist()}
    del entries["fold"]
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(entries))
    aside.replace(path)


def _read(fold: Fold, entries: dict[str, Any]) -> FoldResult:
    own = {key: value for key, value in entries.items() if key not in ("key", "test")}
    return FoldResult(fold, **own | {"probabilities": np.array(own["probabilities"])})
