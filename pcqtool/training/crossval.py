"""Cross-validation: a model for each fold, its test part judged once, all scored together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool import __version__
from pcqtool.tables.atomic import replacing
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
        folder: keeps each fold's result, in a JSON file that is there only when it is whole.
        n_jobs: folds at the same time, each with its share of the threads that torch may use.
        on_fold: told of every fold as it ends, or has been found.

    Raises:
        TrainingError: if a training run cannot go on; the folds that have ended are kept.
        TableError: if the folder cannot be written to.
    """
    results = []
    for result in _run(experiment, folds, seed, folder, n_jobs):
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
        **experiment.origins,
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


def _run(experiment: Experiment, folds: Sequence[Fold], seed: int, folder: Path, n_jobs: int) -> Iterator[FoldResult]:
    from joblib import Parallel, delayed

    keys = {fold.name: _fingerprint(experiment, fold, seed) for fold in folds}
    todo = []
    for fold in folds:
        found = _read(_path(folder, fold), fold, keys[fold.name])
        if found is None:
            todo.append(fold)
        else:
            yield found
    n_threads = max(1, torch.get_num_threads() // n_jobs)
    parallel = Parallel(n_jobs=n_jobs, backend="loky" if n_jobs > 1 else "sequential", return_as="generator_unordered")
    for result in parallel(delayed(_one)(experiment, fold, seed, n_threads) for fold in todo):
        _write(_path(folder, result.fold), result, keys[result.fold.name])
        yield result


def _one(experiment: Experiment, fold: Fold, seed: int, n_threads: int) -> FoldResult:
    torch.set_num_threads(n_threads)
    trained = experiment.train(fold, seed)
    best = min(trained.history, key=lambda epoch: epoch.validation_loss)
    probabilities = experiment.probabilities(trained, fold.test)
    return FoldResult(fold, probabilities, trained.temperature, len(trained.history), best.number, best.validation_ua)


def _fingerprint(experiment: Experiment, fold: Fold, seed: int) -> str:
    """Hash what decides a fold's result; where the corpus lies does not."""
    utterances = [asdict(utterance) | {"path": utterance.path.name} for utterance in experiment.utterances]
    origin = [experiment.encoder, experiment.teacher, __version__]
    decisive = [asdict(fold), experiment.recipe.to_dict(), seed, utterances, origin]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _path(folder: Path, fold: Fold) -> Path:
    return folder / f"{quote(fold.name, safe='')}.json"  # a speaker's name may hold anything


def _write(path: Path, result: FoldResult, key: str) -> None:
    entries = asdict(result) | {"key": key, "probabilities": result.probabilities.tolist()}
    del entries["fold"]
    with replacing(path) as file:
        file.write(json.dumps(entries).encode())


def _read(path: Path, fold: Fold, key: str) -> FoldResult | None:
    """Read a fold's result, if it is there and was made with the same settings."""
    entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if entries.pop("key", None) != key:
        return None
    return FoldResult(fold, **entries | {"probabilities": np.array(entries["probabilities"])})
