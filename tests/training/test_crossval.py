from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from pcqtool.training import crossval
from pcqtool.training.crossval import FoldResult, cross_validate, summarise
from pcqtool.training.experiment import Experiment, Trained
from pcqtool.training.fit import Epoch
from pcqtool.training.splits import Fold, loso

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def quick(utterances, toy_recipe):
    return Experiment(utterances, toy_recipe(epochs=1, n_views=0), CPU)


@pytest.fixture
def counted(monkeypatch):
    """Count training runs, which say at once that every file is of the first class."""
    runs = []

    def train(self, fold, seed, on_epoch=lambda epoch: None):
        runs.append((fold.name, seed))
        return Trained(None, 1.5, [Epoch(1, 1.0, 0.9, 0.5, 0.4), Epoch(2, 0.9, 0.95, 0.6, 0.6)])

    monkeypatch.setattr(Experiment, "train", train)
    monkeypatch.setattr(
        Experiment, "probabilities", lambda self, trained, chosen: np.tile([0.5, 0.3, 0.2], (len(chosen), 1))
    )
    return runs


def test_every_utterance_is_judged_once_by_a_model_that_has_not_heard_its_speaker(quick, tmp_path, monkeypatch):
    heard, judged = {}, []
    train, probabilities = Experiment.train, Experiment.probabilities

    def spy_train(self, fold, seed, on_epoch=lambda epoch: None):
        trained = train(self, fold, seed, on_epoch)
        heard[id(trained.model)] = {self.utterances[i].speaker for i in (*fold.train, *fold.validation)}
        return trained

    def spy_probabilities(self, trained, chosen):
        judged.extend(chosen)
        assert not {self.utterances[i].speaker for i in chosen} & heard[id(trained.model)]
        return probabilities(self, trained, chosen)

    monkeypatch.setattr(Experiment, "train", spy_train)
    monkeypatch.setattr(Experiment, "probabilities", spy_probabilities)
    results = cross_validate(quick, loso(quick.utterances, 0), 0, tmp_path)
    assert sorted(judged) == list(range(36))
    assert sorted(index for result in results for index in result.fold.test) == list(range(36))
    for result in results:
        np.testing.assert_allclose(result.probabilities.sum(axis=1), 1.0)
        assert result.n_epochs == result.best_epoch == 1
        assert result.temperature > 0


def test_folds_side_by_side_are_the_same_folds(quick, tmp_path):
    folds = loso(quick.utterances, 0)[:2]
    alone = cross_validate(quick, folds, 3, tmp_path / "one", 1)
    together = cross_validate(quick, folds, 3, tmp_path / "two", 2)
    for one, other in zip(alone, together, strict=True):
        assert one.fold == other.fold
        assert np.array_equal(one.probabilities, other.probabilities)
        assert (one.temperature, one.validation_ua) == (other.temperature, other.validation_ua)


def test_a_fold_that_is_done_is_not_done_again(quick, counted, tmp_path):
    folds, told = loso(quick.utterances, 0), []
    first = cross_validate(quick, folds[:2], 0, tmp_path)
    again = cross_validate(quick, folds, 0, tmp_path, on_fold=told.append)
    assert [name for name, _ in counted] == ["s0", "s1", "s2", "s3"]
    assert sorted(result.fold.name for result in told) == ["s0", "s1", "s2", "s3"]
    for one, other in zip(first, again[:2], strict=True):
        assert np.array_equal(one.probabilities, other.probabilities)
        assert replace(one, probabilities=0) == replace(other, probabilities=0)
    assert (first[0].best_epoch, first[0].n_epochs, first[0].validation_ua) == (1, 2, 0.4)


def test_another_seed_recipe_corpus_or_teacher_is_another_result(quick, counted, utterances, toy_recipe, tmp_path):
    fold = loso(quick.utterances, 0)[0]

    def is_done_again(experiment=quick, seed=0, fold=fold):
        cross_validate(quick, [loso(quick.utterances, 0)[0]], 0, tmp_path)
        before = len(counted)
        cross_validate(experiment, [fold], seed, tmp_path)
        return len(counted) > before

    assert not is_done_again()
    assert is_done_again(seed=1)
    assert is_done_again(Experiment(utterances, toy_recipe(epochs=1, n_views=0, lr=0.5), CPU))
    twin, taught, elsewhere = (Experiment(utterances, quick.recipe, CPU) for _ in range(3))
    assert not is_done_again(twin)
    taught.teacher = "another"
    assert is_done_again(taught)
    elsewhere.utterances = [replace(each, path=each.path.with_name(f"x{each.path.name}")) for each in utterances]
    assert is_done_again(elsewhere)
    assert is_done_again(fold=Fold(fold.name, fold.validation, fold.train, fold.test))


def test_a_corpus_that_has_moved_is_the_same(quick, counted, utterances, tmp_path):
    folds = loso(quick.utterances, 0)[:1]
    cross_validate(quick, folds, 0, tmp_path)
    moved = Experiment(utterances, quick.recipe, CPU)
    moved.utterances = [replace(each, path=tmp_path / each.path.name) for each in utterances]
    cross_validate(moved, folds, 0, tmp_path)
    assert len(counted) == 1


def test_a_speaker_may_have_any_name(quick, counted, tmp_path):
    folds = [replace(fold, name=name) for fold, name in zip(loso(quick.utterances, 0), ("../a/b", "."), strict=False)]
    for _ in range(2):
        results = cross_validate(quick, folds, 0, tmp_path / "folds")
        assert {result.fold.name for result in results} == {"../a/b", "."}
    assert len(counted) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["folds"]
    assert len(list((tmp_path / "folds").iterdir())) == 2


def test_folds_that_ended_survive_one_that_fails(quick, counted, monkeypatch, tmp_path):
    train = Experiment.train

    def fail(self, fold, seed, on_epoch=lambda epoch: None):
        if fold.name == "s2":
            raise KeyboardInterrupt
        return train(self, fold, seed)

    monkeypatch.setattr(Experiment, "train", fail)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(quick, loso(quick.utterances, 0), 0, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s0.json", "s1.json"]


def test_the_number_of_threads_is_left_as_it_was(quick, counted, tmp_path):
    cross_validate(quick, loso(quick.utterances, 0)[:1], 0, tmp_path)
    assert torch.get_num_threads() == 1


def test_the_summary_is_json_with_all_that_belongs_to_a_figure(quick):
    folds = loso(quick.utterances, 0)
    results = []
    for fold in folds:
        right = np.eye(3)[quick.targets[list(fold.test)]] * 0.94 + 0.02
        if fold.name == "s0":
            right = np.roll(right, 1, axis=1)
        results.append(FoldResult(fold, right, 1.0, 5, 2, 0.75))
    summary = json.loads(json.dumps(summarise(quick, results, 7)))
    assert summary["pooled"]["n"] == 36
    assert summary["pooled"]["wa"] == summary["pooled"]["ua"] == 0.75
    assert summary["folds"]["wa"] == {"mean": 0.75, "sd": 0.5}
    assert summary["by_fold"]["s0"]["wa"] == 0.0
    assert summary["pooled"]["wa_interval"][0] < 0.75 < summary["pooled"]["wa_interval"][1]
    assert summary["validation_ua"] == 0.75
    assert all(
        own["test"] == {"files": 0, "speakers": 0, "sessions": None, "texts": None}
        for own in summary["overlap"].values()
    )
    assert summary["epochs"]["s1"] == [2, 5]
    assert (summary["seed"], summary["labels"], summary["teacher"]) == (7, ["anger", "neutral", "sadness"], None)
    assert summary["recipe"] == json.loads(json.dumps(quick.recipe.to_dict()))


def test_a_result_is_written_and_read_to_the_bit(quick, tmp_path):
    fold = loso(quick.utterances, 0)[0]
    result = FoldResult(fold, np.random.default_rng(0).random((9, 3)), 1 / 3, 5, 2, 2 / 3)
    crossval._write(tmp_path / "a.json", result, "key")
    found = crossval._read(tmp_path / "a.json", fold, "key")
    assert np.array_equal(found.probabilities, result.probabilities)
    assert replace(found, probabilities=0) == replace(result, probabilities=0)
    assert crossval._read(tmp_path / "a.json", fold, "other") is None
    assert crossval._read(tmp_path / "b.json", fold, "key") is None
