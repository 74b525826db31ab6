from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pcqtool.errors import TrainingError
from pcqtool.evaluation import cross_validation
from pcqtool.evaluation.cross_validation import EvaluationTask, FoldResult
from pcqtool.splits import PROTOCOLS, Fold
from pcqtool.training.distillation.teacher import Teacher
from pcqtool.training.experiment import Experiment, Trained
from pcqtool.training.temperatures import Temperatures
from pcqtool.training.trainer import Epoch

CPU = torch.device("cpu")
SAID = ("probabilities", "uncalibrated")
ASIDE = dict.fromkeys((*SAID, "elapsed_s"), 0)


def loso(utterances, seed):
    return PROTOCOLS["loso"].folds(utterances, seed)


def run(experiment, *arguments, **options):
    """Cross-validate within the toy corpus."""
    return cross_validation.cross_validate(EvaluationTask.within_corpus(experiment, "toy"), *arguments, **options)


def same(one, other):
    """Whether two results are the same to the bit, but for the time they took."""
    return _untimed(one) == _untimed(other) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in SAID
    )


def _untimed(result):
    history = [{key: value for key, value in line.items() if key != "seconds"} for line in result.history]
    return replace(result, history=history, **ASIDE)


@pytest.fixture(scope="module")
def quick(utterances, toy_recipe):
    return Experiment(utterances, toy_recipe(epochs=1, n_augmented=0), CPU).prepare()


@pytest.fixture
def counted(monkeypatch):
    """Count training runs, which end at once; every file is predicted to be of the first class."""
    runs = []

    def train(self, fold, seed, checkpoint):
        runs.append((fold.name, seed))
        history = [Epoch(1, 1.0, 0.9, 0.5, 0.4), Epoch(2, 0.9, 0.95, 0.6, 0.6)]
        return Trained(None, Temperatures(1.5, 2.5), history, [], np.empty((0, 3)))

    monkeypatch.setattr(Experiment, "train", train)
    said = [0.5, 0.3, 0.2], [0.7, 0.2, 0.1]
    monkeypatch.setattr(
        EvaluationTask, "predict", lambda self, trained, chosen: tuple(np.tile(row, (len(chosen), 1)) for row in said)
    )
    return runs


def test_every_utterance_is_predicted_once_by_a_model_that_was_not_trained_on_its_speaker(quick, tmp_path, monkeypatch):
    trained_on, predicted = {}, []
    train, predict = Experiment.train, EvaluationTask.predict

    def spy_train(self, fold, seed, **options):
        trained = train(self, fold, seed, **options)
        trained_on[id(trained.model)] = {self.utterances[i].speaker for i in (*fold.train, *fold.validation)}
        return trained

    def spy_predict(self, trained, chosen):
        predicted.extend(chosen)
        assert not {self.utterances[i].speaker for i in chosen} & trained_on[id(trained.model)]
        return predict(self, trained, chosen)

    monkeypatch.setattr(Experiment, "train", spy_train)
    monkeypatch.setattr(EvaluationTask, "predict", spy_predict)
    results = run(quick, {0: loso(quick.utterances, 0)}, tmp_path)
    assert sorted(predicted) == list(range(36))
    assert sorted(index for result in results for index in result.fold.test) == list(range(36))
    for result in results:
        np.testing.assert_allclose(result.probabilities.sum(axis=1), 1.0)
        warm = np.log(result.uncalibrated) / result.temperature
        np.testing.assert_allclose(result.probabilities, np.exp(warm) / np.exp(warm).sum(axis=1, keepdims=True))
        assert [line["number"] for line in result.history] == [result.best_epoch] == [1]
        assert result.best["validation_ua"] == result.history[0]["validation_ua"]


def test_folds_side_by_side_are_the_same_folds(quick, tmp_path):
    folds = loso(quick.utterances, 0)[:2]
    alone = run(quick, {3: folds, 4: folds[:1]}, tmp_path / "one", 1)
    together = run(quick, {3: folds, 4: folds[:1]}, tmp_path / "two", 2)
    assert [(result.seed, result.fold.name) for result in alone] == [(3, "s0"), (3, "s1"), (4, "s0")]
    assert all(same(one, other) for one, other in zip(alone, together, strict=True))
    assert not np.array_equal(alone[0].probabilities, alone[2].probabilities)


def test_a_fold_that_is_done_is_not_done_again(quick, counted, tmp_path):
    folds, told = loso(quick.utterances, 0), []
    first = run(quick, {0: folds[:2]}, tmp_path)
    again = run(quick, {0: folds, 1: folds[:1]}, tmp_path, on_fold=told.append)
    assert counted == [("s0", 0), ("s1", 0), ("s2", 0), ("s3", 0), ("s0", 1)]
    assert sorted(result.fold.name for result in told) == ["s0", "s0", "s1", "s2", "s3"]
    assert all(same(one, other) for one, other in zip(first, again[:2], strict=True))
    assert first[0].elapsed_s == again[0].elapsed_s
    assert (first[0].best_epoch, first[0].best["validation_ua"], len(first[0].history)) == (1, 0.4, 2)


def test_another_seed_recipe_corpus_or_teacher_is_another_result(quick, counted, utterances, toy_recipe, tmp_path):
    fold = loso(quick.utterances, 0)[0]

    def is_done_again(experiment=quick, seed=0, fold=fold):
        run(quick, {0: [loso(quick.utterances, 0)[0]]}, tmp_path)
        before = len(counted)
        run(experiment, {seed: [fold]}, tmp_path)
        return len(counted) > before

    assert not is_done_again()
    assert is_done_again(seed=1)
    assert is_done_again(Experiment(utterances, toy_recipe(epochs=1, n_augmented=0, lr=0.5), CPU).prepare())
    twin, taught, elsewhere = (Experiment(utterances, quick.recipe, CPU).prepare() for _ in range(3))
    assert not is_done_again(twin)
    taught.teacher = Teacher(np.zeros((1, 1), np.float32), None)
    assert is_done_again(taught)
    louder = Experiment(utterances, quick.recipe, CPU).prepare()
    louder.data = replace(louder.data, samples=louder.data.samples // 2)
    assert is_done_again(louder)
    elsewhere.utterances = [replace(each, path=each.path.with_name(f"x{each.path.name}")) for each in utterances]
    assert is_done_again(elsewhere)
    assert is_done_again(fold=Fold(fold.name, fold.validation, fold.train, fold.test))


def test_an_encoder_is_known_by_its_weights(counted, utterances, toy_recipe, tiny_whisper, tmp_path):
    places = [shutil.copytree(tiny_whisper, tmp_path / name) for name in ("one", "moved", "other")]
    weights = load_file(places[2] / "model.safetensors")
    save_file({name: value * 1.5 for name, value in weights.items()}, places[2] / "model.safetensors", {"format": "pt"})
    recipe = toy_recipe({"kind": "whisper", "layers": [1], "frozen": True}, epochs=1, n_augmented=0)
    for place in places:
        experiment = Experiment(utterances, recipe, CPU, encoder=str(place)).prepare()
        run(experiment, {0: loso(utterances, 0)[:1]}, tmp_path / "folds")
    assert len(counted) == 2


def test_a_corpus_that_has_moved_is_the_same(quick, counted, utterances, tmp_path):
    folds = loso(quick.utterances, 0)[:1]
    run(quick, {0: folds}, tmp_path)
    moved = Experiment(utterances, quick.recipe, CPU).prepare()
    moved.utterances = [replace(each, path=tmp_path / each.path.name) for each in utterances]
    run(moved, {0: folds}, tmp_path)
    assert len(counted) == 1


def test_a_speaker_may_have_any_name(quick, counted, tmp_path):
    folds = [replace(fold, name=name) for fold, name in zip(loso(quick.utterances, 0), ("../a/b", "."), strict=False)]
    for _ in range(2):
        results = run(quick, {0: folds}, tmp_path / "folds")
        assert {result.fold.name for result in results} == {"../a/b", "."}
    assert len(counted) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["folds"]
    assert len(list((tmp_path / "folds" / "seed-0").iterdir())) == 2


def test_folds_that_ended_survive_one_that_fails(quick, counted, monkeypatch, tmp_path):
    train = Experiment.train

    def fail(self, fold, seed, **options):
        if fold.name == "s2":
            raise KeyboardInterrupt
        return train(self, fold, seed, **options)

    monkeypatch.setattr(Experiment, "train", fail)
    with pytest.raises(KeyboardInterrupt):
        run(quick, {0: loso(quick.utterances, 0)}, tmp_path)
    assert sorted(path.name for path in (tmp_path / "seed-0").iterdir()) == ["s0.json", "s1.json"]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_fold_that_diverges_is_named_with_its_seed(utterances, toy_recipe, tmp_path, n_jobs):
    wild = Experiment(utterances, toy_recipe(lr=1e30, warmup_steps=0, n_augmented=0), CPU).prepare()
    with pytest.raises(TrainingError, match=r"^fold s1, seed 3: .* is not a number in epoch 1") as caught:
        run(wild, {3: loso(utterances, 0)[1:2]}, tmp_path, n_jobs)
    assert caught.value.hint == "Lower the learning rate."


SLOW = """
import os, sys, time
from pathlib import Path
from types import SimpleNamespace
from pcqtool.evaluation import cross_validation
from pcqtool.splits import Fold

def train(fold, seed, checkpoint):
    Path(str(os.getpid())).touch()
    time.sleep(600)

cross_validation._key = lambda task, fold, seed: ""
folds = [Fold(name, (0,), (1,), (2,)) for name in "ab"]
cross_validation.cross_validate(SimpleNamespace(experiment=SimpleNamespace(train=train)), {0: folds}, Path("folds"), 2)
"""


def test_folds_side_by_side_end_with_a_run_that_is_killed(tmp_path):
    def workers():
        return [int(path.name) for path in tmp_path.iterdir() if path.name.isdecimal()]

    main = subprocess.Popen([sys.executable, "-c", SLOW], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        while main.poll() is None and len(workers()) < 2:
            time.sleep(0.1)
        assert main.poll() is None
        main.kill()
        main.communicate(timeout=60)  # until nobody holds its output any more
    finally:
        for pid in workers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_the_number_of_threads_is_left_as_it_was(quick, counted, tmp_path):
    run(quick, {0: loso(quick.utterances, 0)[:1]}, tmp_path)
    assert torch.get_num_threads() == 1


def test_a_result_is_written_and_read_to_the_bit(quick, tmp_path):
    fold = loso(quick.utterances, 0)[0]
    said = np.random.default_rng(0).random((2, 9, 3))
    result = FoldResult(fold, 4, *said, 1 / 3, 1, [{"number": 1, "validation_ua": 2 / 3}], 0.25)
    cross_validation._write(tmp_path / "a.json", result, "key")
    found = cross_validation._read(tmp_path / "a.json", fold, "key")
    assert same(found, result)
    assert found.elapsed_s == 0.25
    assert cross_validation._read(tmp_path / "a.json", fold, "other") is None
    assert cross_validation._read(tmp_path / "b.json", fold, "key") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: bytes(len(whole)),
        lambda whole: whole.replace(b"0.5", b"0.6", 1),
        lambda whole: whole.replace(b'"temperature": 1.5', b'"temperature": 9.5'),
        lambda whole: whole.replace(b'"key"', b'"kex"'),
        lambda whole: b"\xff" + whole,
        lambda whole: b"[" * 100_000,
        lambda whole: b"[]",
        lambda whole: b"null",
    ],
)
def test_a_result_that_is_damaged_is_named_and_made_again(quick, counted, tmp_path, caplog, damage):
    folds = {0: loso(quick.utterances, 0)}
    wanted = run(quick, folds, tmp_path)
    path = tmp_path / "seed-0" / "s1.json"
    path.write_bytes(damage(path.read_bytes()))
    counted.clear()
    found = run(quick, folds, tmp_path)
    assert counted == [("s1", 0)]
    assert all(same(one, other) for one, other in zip(found, wanted, strict=True))
    assert caplog.text.count("the fold is run again") == 1
    assert str(path) in caplog.text
    counted.clear()
    run(quick, folds, tmp_path)
    assert counted == []


def test_every_byte_of_a_result_counts(quick, tmp_path):
    fold = loso(quick.utterances, 0)[0]
    said = np.random.default_rng(0).random((2, 2, 3))
    result = FoldResult(fold, 4, *said, 1 / 3, 1, [{"number": 1, "validation_ua": 2 / 3}], 0.25)
    path = tmp_path / "a.json"
    cross_validation._write(path, result, "key")
    whole = path.read_bytes()
    for place, byte in enumerate(whole):
        path.write_bytes(whole[:place] + bytes([byte ^ (1 << place % 7)]) + whole[place + 1 :])
        found = cross_validation._read(path, fold, "key")
        assert found is None or same(found, result), place  # a space that became a line end changes nothing


def test_epochs_are_reported_as_they_end(utterances, toy_recipe, tmp_path):
    experiment = Experiment(utterances, toy_recipe(epochs=2, n_augmented=0), CPU).prepare()
    folds, reports = loso(utterances, 0)[:2], []
    run(experiment, {0: folds}, tmp_path, on_epoch=lambda *each: reports.append(each))
    assert [(fold.name, number) for fold, number, _ in reports] == [("s0", 1), ("s0", 2), ("s1", 1), ("s1", 2)]
    assert all("validation UA" in note for *_, note in reports)


def test_a_stopped_fold_goes_on_after_its_last_epoch(utterances, toy_recipe, tmp_path):
    experiment = Experiment(utterances, toy_recipe(epochs=3, n_augmented=0), CPU).prepare()
    folds = {0: loso(utterances, 0)[:1]}
    wanted = run(experiment, folds, tmp_path / "whole")

    def stop(fold, number, note):
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(experiment, folds, tmp_path / "stopped", on_epoch=stop)
    folder = tmp_path / "stopped" / "seed-0"
    assert [path.name for path in folder.iterdir()] == ["s0.safetensors"]
    numbers = []
    found = run(experiment, folds, tmp_path / "stopped", on_epoch=lambda fold, number, note: numbers.append(number))
    assert numbers == [3]
    assert same(found[0], wanted[0])
    assert [path.name for path in folder.iterdir()] == ["s0.json"]
    other = Experiment(utterances, toy_recipe(epochs=2, n_augmented=0), CPU).prepare()
    with pytest.raises(KeyboardInterrupt):
        run(other, folds, tmp_path / "stopped", on_epoch=stop)
    assert len(run(experiment, folds, tmp_path / "stopped")) == 1, "the checkpoint of other settings is not used"
