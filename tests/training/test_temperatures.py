"""Temperatures are fitted to corpora that the network was not trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pcqtool.splits import Fold
from pcqtool.training import temperatures
from pcqtool.training.experiment import Experiment

CPU = torch.device("cpu")


@pytest.fixture
def pooled(utterances, toy_recipe):
    """An experiment on three corpora that are shares of the toy corpus."""
    corpora = [f"corpus {number % 3}" for number in range(len(utterances))]
    recipe = replace(toy_recipe(epochs=2, n_augmented=0), calibration="corpora")
    return Experiment(utterances, recipe, CPU, corpora=corpora).prepare()


def test_each_corpus_is_left_out_once(pooled, fold, monkeypatch):
    trained_on = []
    plain = temperatures.refit

    def noting(setup, n_epochs):
        trained_on.append(set(setup.groups.corpus[list(setup.train)].tolist()))
        assert n_epochs == 2
        return plain(setup, n_epochs)

    monkeypatch.setattr(temperatures, "refit", noting)
    found = pooled.train(replace(fold), 1).temperatures
    assert trained_on == [{1, 2}, {0, 2}, {0, 1}]
    assert found.profiled == found.plain  # a network without profiles


def test_two_corpora_are_too_few(utterances, toy_recipe, fold, monkeypatch):
    monkeypatch.setattr(temperatures, "refit", lambda *args: pytest.fail("a corpus was left out"))
    corpora = [f"corpus {number % 2}" for number in range(len(utterances))]
    recipe = replace(toy_recipe(epochs=1, n_augmented=0), calibration="corpora")
    trained = Experiment(utterances, recipe, CPU, corpora=corpora).prepare().train(fold, 1)
    assert trained.temperatures.profiled > 0


def test_a_class_that_only_the_corpus_left_out_has_is_not_scored(pooled, monkeypatch):
    wrong = int(np.unique(pooled.targets)[0])
    kept = [
        n
        for n, (target, corpus) in enumerate(zip(pooled.targets, pooled.groups.corpus, strict=True))
        if target != wrong or corpus == 0
    ]
    fold = Fold("all", tuple(kept[::2]), tuple(kept[1::2]), ())
    seen = []
    plain = temperatures._predict

    def noting(model, setup, utterances):
        seen.append({int(setup.targets[index]) for index in utterances})
        return plain(model, setup, utterances)

    monkeypatch.setattr(temperatures, "_predict", noting)
    pooled.train(fold, 1)
    _, first, *others = seen  # the validation part, then each corpus that was left out
    assert len(others) == 2
    assert wrong in {int(pooled.targets[index]) for index in fold.train if pooled.groups.corpus[index] == 0}
    assert wrong not in first
    assert first
