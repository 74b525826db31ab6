"""Cross-validation: train a model for each fold and seed; it predicts the test part of its fold once."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.batch.profiling import AUTO, BY_SPEAKER
from pcqtool.corpora.base import Utterance
from pcqtool.errors import SettingsError, TrainingError
from pcqtool.evaluation.predictions import renormalise
from pcqtool.files.atomic import write_whole
from pcqtool.fingerprint import fingerprint
from pcqtool.model.profile_file import OFF
from pcqtool.splits import Fold
from pcqtool.training.checkpoint import Checkpoint
from pcqtool.training.data import Groups, SegmentSet
from pcqtool.training.experiment import Experiment, Trained
from pcqtool.training.network_inputs import FrontEnds
from pcqtool.training.profiles import assign_profiles
from pcqtool.training.trainer import Epoch, file_probabilities, predict_logits
from pcqtool.training.worker import exit_with_parent
from pcqtool.version import __version__

_log = logging.getLogger(__name__)

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class EvaluationTask:
    """An experiment and the corpus that its folds test on.

    Attributes:
        experiment: trains the models.
        corpus: name of the tested corpus.
        utterances: the list that folds index into. It ends with the tested corpus.
        test_utterances: the tested corpus, under its own speakers' names.
        test_data: segments of ``test_utterances``.
        test_groups: corpus and speaker of each of ``test_utterances``.
        profile: what inputs are standardised by, ``auto``, ``off`` or ``by=speaker``.
        tests_some_labels: whether a fold tests on a corpus that lacks some of the classes, or has some that were not
            trained on. They cannot be correct, or predicted, so that they are left out of the softmax.
    """

    experiment: Experiment
    corpus: str
    utterances: Sequence[Utterance]
    test_utterances: Sequence[Utterance]
    test_data: SegmentSet
    test_groups: Groups
    profile: str = AUTO
    tests_some_labels: bool = False

    @classmethod
    def within_corpus(
        cls, experiment: Experiment, corpus: str, profile: str = AUTO, tests_some_labels: bool = False
    ) -> EvaluationTask:
        """Return the task of testing on parts of the corpus, or the corpora, that the experiment trains on."""
        utterances, data = experiment.utterances, experiment.data
        return cls(experiment, corpus, utterances, utterances, data, experiment.groups, profile, tests_some_labels)

    @cached_property
    def digest(self) -> str:
        """Hash of the training and test segments, the encoder and the teacher."""
        digest = self.experiment.digest
        if self.test_data is self.experiment.data:
            return digest
        return hashlib.sha256(f"{digest} {self.test_data.digest}".encode()).hexdigest()

    def temperature(self, trained: Trained) -> float:
        """Return the temperature that a model has with the profile in use."""
        return trained.temperatures.plain if self.profile == OFF else trained.temperatures.profiled

    def labels_of(self, utterances: Iterable[int]) -> tuple[str, ...]:
        """Return the labels of utterances, in the order of the experiment's classes."""
        occurring = {self.utterances[index].label for index in utterances}
        return tuple(label for label in self.experiment.labels if label in occurring)

    def test_indices(self, utterances: Sequence[int]) -> list[int]:
        """Return the indices into ``test_utterances`` of utterances of a fold's test part."""
        n_before = len(self.utterances) - len(self.test_utterances)
        return [index - n_before for index in utterances]

    def predict(self, trained: Trained, utterances: Sequence[int]) -> tuple[Probabilities, Probabilities]:
        """Return probabilities ``(N, L)`` of the utterances of a test part: calibrated, and without the temperature."""
        rule, indices = self.experiment.recipe.aggregation, self.test_indices(utterances)
        corpora, batch = self.test_groups.corpus, np.array(indices)
        if has_profile := self.profile != OFF and self.experiment.config.profile_s > 0:
            batch = np.flatnonzero(np.isin(corpora, corpora[indices]))
        front_ends = FrontEnds.of(trained.model, self.test_data, self.test_data.recorded_rows(batch))
        by_speaker = self.profile == BY_SPEAKER
        assignment = assign_profiles(front_ends, self.test_groups, batch, by_speaker) if has_profile else None
        logits = predict_logits(front_ends, indices, assignment)
        calibrated, uncalibrated = (
            file_probabilities(logits, self.test_data, indices, rule, each) for each in (self.temperature(trained), 1.0)
        )
        if not self.tests_some_labels:
            return calibrated, uncalibrated
        known = {self.utterances[index].label for index in trained.train}
        own = {
            self.test_utterances[index].label for index in np.flatnonzero(np.isin(corpora, corpora[indices])).tolist()
        }
        columns = [column for column, label in enumerate(self.experiment.labels) if label in known & own]
        return renormalise(calibrated, columns), renormalise(uncalibrated, columns)


@dataclass(frozen=True)
class FoldResult:
    """Predictions of one fold's test part by the model that one seed trained on the other parts.

    Attributes:
        fold: the fold.
        seed: seed of the training run.
        probabilities: ``(N, L)`` of the test part, calibrated.
        uncalibrated: ``(N, L)``, without the temperature.
        temperature: fitted to the validation part.
        best_epoch: number of the epoch that was kept.
        history: an entry for each epoch.
        elapsed_s: duration of training and prediction.
    """

    fold: Fold
    seed: int
    probabilities: Probabilities
    uncalibrated: Probabilities
    temperature: float
    best_epoch: int
    history: list[dict[str, Any]]
    elapsed_s: float

    @property
    def best(self) -> dict[str, Any]:
        """The entry of the epoch that was kept."""
        return next(epoch for epoch in self.history if epoch["number"] == self.best_epoch)


OnFoldEpoch = Callable[[Fold, int, str], None]
"""Called with a fold, the number of epochs that it has trained, and a note on the last one."""


def cross_validate(
    task: EvaluationTask,
    folds: Mapping[int, Sequence[Fold]],
    folder: Path,
    n_jobs: int = 1,
    on_fold: Callable[[FoldResult], None] = lambda result: None,
    on_epoch: OnFoldEpoch | None = None,
) -> list[FoldResult]:
    """Run all folds of all seeds, several in parallel, except those with a result of an earlier run in ``folder``.

    A fold that was stopped resumes after its last complete epoch. A damaged result is logged and computed again.

    Args:
        task: the experiment and the tested corpus.
        folds: the protocol's folds for each seed of the training runs.
        folder: keeps each fold's result in a JSON file, which is written whole or not at all, and a checkpoint until
            then.
        n_jobs: number of folds that run in parallel; they share the threads that torch may use.
        on_fold: called with every result, also with those of an earlier run.
        on_epoch: called after every epoch, unless folds run in parallel.

    Returns:
        The results, sorted by seed and name of the fold.

    Raises:
        TrainingError: if a training run fails; results of finished folds are kept.
        FileError: if the folder cannot be written to.
    """
    results = []
    runs = [(seed, fold) for seed, some in folds.items() for fold in some]
    for result in _run(task, runs, folder, n_jobs, None if n_jobs > 1 else on_epoch):
        results.append(result)
        on_fold(result)
    return sorted(results, key=lambda result: (result.seed, result.fold.name))


def _run(
    task: EvaluationTask, runs: Sequence[tuple[int, Fold]], folder: Path, n_jobs: int, on_epoch: OnFoldEpoch | None
) -> Iterator[FoldResult]:
    from joblib import Parallel, delayed

    todo, keys = [], {}
    for seed, fold in runs:
        path = _path(folder, seed, fold)
        keys[path] = _key(task, fold, seed)
        found = _read(path, fold, keys[path])
        if found is None:
            todo.append((seed, fold, _checkpoint(path, keys[path])))
        else:
            yield found
    n_threads = max(1, torch.get_num_threads() // n_jobs)
    backend = {"backend": "loky", "initializer": exit_with_parent} if n_jobs > 1 else {"backend": "sequential"}
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered", **backend)
    for result in parallel(delayed(_run_fold)(task, *run, n_threads, on_epoch) for run in todo):
        path = _path(folder, result.seed, result.fold)
        _write(path, result, keys[path])
        _checkpoint_path(path).unlink(missing_ok=True)
        yield result


def _run_fold(
    task: EvaluationTask, seed: int, fold: Fold, checkpoint: Checkpoint, n_threads: int, on_epoch: OnFoldEpoch | None
) -> FoldResult:
    torch.set_num_threads(n_threads)
    start = time.monotonic()
    try:
        trained = task.experiment.train(fold, seed, checkpoint=checkpoint, **_epoch_reports(task, fold, on_epoch))
    except TrainingError as error:
        raise TrainingError(f"fold {fold.name}, seed {seed}: {error.what}", error.hint) from error
    calibrated, uncalibrated = task.predict(trained, fold.test)
    history = [epoch.to_dict() for epoch in trained.history]
    elapsed_s = round(time.monotonic() - start, 3)
    return FoldResult(
        fold, seed, calibrated, uncalibrated, task.temperature(trained), trained.best.number, history, elapsed_s
    )


def _checkpoint(result: Path, key: str) -> Checkpoint:
    """Return the checkpoint beside a fold's result; one of a run with other settings is removed."""
    checkpoint = Checkpoint(_checkpoint_path(result), key)
    try:
        checkpoint.n_epochs()
    except SettingsError:
        checkpoint.path.unlink()
    return checkpoint


def _checkpoint_path(result: Path) -> Path:
    return result.with_suffix(".safetensors")


def _epoch_reports(task: EvaluationTask, fold: Fold, on_epoch: OnFoldEpoch | None) -> dict[str, Any]:
    """Return the arguments of ``Experiment.train`` that report its epochs, those of feature distillation first."""
    if on_epoch is None:
        return {}
    n_before = task.experiment.recipe.n_distillation_epochs

    def on_trained(epoch: Epoch) -> None:
        note = f"loss {epoch.loss:.3f}, validation UA {100 * epoch.validation_ua:.1f} %"
        on_epoch(fold, n_before + epoch.number, note)

    def on_distilled(number: int, loss: float) -> None:
        on_epoch(fold, number, f"feature distillation, loss {loss:.3f}")

    return {"on_epoch": on_trained, "on_distillation": on_distilled}


def _key(task: EvaluationTask, fold: Fold, seed: int) -> str:
    """Hash everything that decides a fold's result; folders of the corpus and the encoders do not."""
    utterances = [asdict(utterance) | {"path": utterance.path.name} for utterance in task.utterances]
    inputs = [task.digest, task.profile, __version__, torch.__version__]
    return fingerprint([asdict(fold), task.experiment.recipe.to_dict(), seed, utterances, inputs])


def _path(folder: Path, seed: int, fold: Fold) -> Path:
    return folder / f"seed-{seed}" / f"{quote(fold.name, safe='')}.json"  # names of speakers may have any characters


def _write(path: Path, result: FoldResult, key: str) -> None:
    entries = {name: value for name, value in vars(result).items() if name != "fold"}
    lists = {name: entries[name].tolist() for name in _ARRAYS}
    content = entries | lists | {"key": key}
    write_whole(path, json.dumps(content | {"sha256": fingerprint(content, 64)}).encode())


def _read(path: Path, fold: Fold, key: str) -> FoldResult | None:
    """Read a fold's result; return None if there is none, it is damaged, or it has another key."""
    if not path.is_file():
        return None
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        whole = isinstance(entries, dict) and entries.pop("sha256", None) == fingerprint(entries, 64)
    except (OSError, ValueError, RecursionError):
        whole = False
    if not whole:
        _log.warning("%s is damaged, unreadable or from an earlier version: the fold is run again", path)
        return None
    if entries.pop("key") != key:
        return None
    return FoldResult(fold, **entries | {name: np.array(entries[name]) for name in _ARRAYS})


_ARRAYS = ("probabilities", "uncalibrated")
