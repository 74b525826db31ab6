"""Cross-validation: a model for each fold and seed, which judges its test part once."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.errors import TrainingError
from pcqtool.files.atomic import write_whole
from pcqtool.splits import Fold
from pcqtool.training.experiment import Experiment
from pcqtool.training.worker import end_with_parent
from pcqtool.version import __version__

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoldResult:
    """One fold with one seed: what a model that has not seen the test part says of it.

    Attributes:
        fold: the fold.
        seed: of the training.
        probabilities: ``(N, L)`` of the test part, calibrated.
        uncalibrated: ``(N, L)``, without the temperature.
        temperature: fitted to the validation part.
        best_epoch: number of the epoch that became the model.
        history: a line for each epoch.
        elapsed_s: how long it took.
    """

    fold: Fold
    seed: int
    probabilities: NDArray[np.float64]
    uncalibrated: NDArray[np.float64]
    temperature: float
    best_epoch: int
    history: list[dict[str, Any]]
    elapsed_s: float

    @property
    def best(self) -> dict[str, Any]:
        """The line of the epoch that became the model."""
        return next(line for line in self.history if line["number"] == self.best_epoch)


def cross_validate(
    experiment: Experiment,
    folds: Mapping[int, Sequence[Fold]],
    folder: Path,
    n_jobs: int = 1,
    on_fold: Callable[[FoldResult], None] = lambda result: None,
) -> list[FoldResult]:
    """Run all folds of all seeds, several side by side; what ``folder`` holds from an earlier run is not run again.

    A result there that is damaged is logged, and made again.

    Args:
        experiment: the corpus and recipe.
        folds: the protocol's, for each seed of the training runs.
        folder: keeps each fold's result, in a JSON file that is there only when it is whole.
        n_jobs: folds at the same time, each with its share of the threads that torch may use.
        on_fold: told of every fold as it ends, or has been found.

    Returns:
        The results, sorted by seed and name of the fold.

    Raises:
        TrainingError: if a training run cannot go on; the folds that have ended are kept.
        TableError: if the folder cannot be written to.
    """
    results = []
    for result in _run(experiment, [(seed, fold) for seed, some in folds.items() for fold in some], folder, n_jobs):
        results.append(result)
        on_fold(result)
    return sorted(results, key=lambda result: (result.seed, result.fold.name))


def _run(experiment: Experiment, runs: Sequence[tuple[int, Fold]], folder: Path, n_jobs: int) -> Iterator[FoldResult]:
    from joblib import Parallel, delayed

    todo, keys = [], {}
    for seed, fold in runs:
        path = _path(folder, seed, fold)
        keys[path] = _fingerprint(experiment, fold, seed)
        found = _read(path, fold, keys[path])
        if found is None:
            todo.append((seed, fold))
        else:
            yield found
    n_threads = max(1, torch.get_num_threads() // n_jobs)
    backend = {"backend": "loky", "initializer": end_with_parent} if n_jobs > 1 else {"backend": "sequential"}
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered", **backend)
    for result in parallel(delayed(_one)(experiment, fold, seed, n_threads) for seed, fold in todo):
        path = _path(folder, result.seed, result.fold)
        _write(path, result, keys[path])
        yield result


def _one(experiment: Experiment, fold: Fold, seed: int, n_threads: int) -> FoldResult:
    torch.set_num_threads(n_threads)
    start = time.monotonic()
    try:
        trained = experiment.train(fold, seed)
    except TrainingError as error:
        raise TrainingError(f"fold {fold.name}, seed {seed}: {error.what}", error.hint) from error
    calibrated, uncalibrated = experiment.judge(trained, fold.test)
    history = [epoch.to_dict() for epoch in trained.history]
    elapsed_s = round(time.monotonic() - start, 3)
    return FoldResult(
        fold, seed, calibrated, uncalibrated, trained.temperature, trained.best.number, history, elapsed_s
    )


def _fingerprint(experiment: Experiment, fold: Fold, seed: int) -> str:
    """Hash what decides a fold's result; where corpus and encoders lie does not."""
    utterances = [asdict(utterance) | {"path": utterance.path.name} for utterance in experiment.utterances]
    heard = [experiment.digest, experiment.adapt, __version__, torch.__version__]
    decisive = [asdict(fold), experiment.recipe.to_dict(), seed, utterances, heard]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _path(folder: Path, seed: int, fold: Fold) -> Path:
    return folder / f"seed-{seed}" / f"{quote(fold.name, safe='')}.json"  # a speaker's name may hold anything


def _write(path: Path, result: FoldResult, key: str) -> None:
    entries = {name: value for name, value in vars(result).items() if name != "fold"}
    lists = {name: entries[name].tolist() for name in _ARRAYS}
    content = entries | lists | {"key": key}
    write_whole(path, json.dumps(content | {"sha256": _digest(content)}).encode())


def _read(path: Path, fold: Fold, key: str) -> FoldResult | None:
    """Read a fold's result, if it is there, whole, and was made with the same settings."""
    if not path.is_file():
        return None
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        whole = isinstance(entries, dict) and entries.pop("sha256", None) == _digest(entries)
    except (OSError, ValueError, RecursionError):
        whole = False
    if not whole:
        _log.warning("%s is damaged, cannot be read, or is of an earlier version: the fold is run again", path)
        return None
    if entries.pop("key") != key:
        return None
    return FoldResult(fold, **entries | {name: np.array(entries[name]) for name in _ARRAYS})


def _digest(entries: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


_ARRAYS = ("probabilities", "uncalibrated")
