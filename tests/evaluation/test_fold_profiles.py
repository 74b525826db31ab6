"""What the inputs of a fold's test part are standardised by, and what the result states of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pcqtool.corpora.pool import CorpusPool
from pcqtool.evaluation import cross_validation
from pcqtool.evaluation.corpus_profile import PROFILE_NOTES
from pcqtool.evaluation.cross_corpus import between_corpora
from pcqtool.evaluation.cross_validation import EvaluationTask, cross_validate
from pcqtool.evaluation.summary import conclude
from pcqtool.splits import PROTOCOLS, leave_corpus_out
from pcqtool.training.experiment import Experiment

CPU = torch.device("cpu")
CHOICES = ("auto", "off", "by=speaker")


def experiment_on(utterances, toy_recipe, corpora=None):
    recipe = toy_recipe(network={"profile_s": 20.0}, n_augmented=0)
    return Experiment(utterances, recipe, CPU, corpora=corpora).prepare()


@pytest.fixture(scope="module")
def profiled(utterances, toy_recipe):
    return experiment_on(utterances, toy_recipe)


@pytest.fixture(scope="module")
def model(profiled, fold):
    """A network with profiles; not to be changed."""
    return profiled.train(fold, 1)


def predict(task, model, utterances):
    return task.predict(model, utterances)[1]


def test_each_choice_has_its_own_predictions(profiled, model, fold):
    tasks = [EvaluationTask.within_corpus(profiled, "toy", choice) for choice in CHOICES]
    auto, off, by_speaker = (predict(task, model, fold.test) for task in tasks)
    assert not np.array_equal(auto, off)
    assert not np.array_equal(auto, by_speaker)
    assert not np.array_equal(off, by_speaker)
    assert len({cross_validation._key(task, fold, 1) for task in tasks}) == 3, (
        "results of another choice are not reused"
    )


def test_predictions_do_not_depend_on_the_part_that_is_predicted(profiled, model, fold):
    """The profile is that of the corpus, and not of the part."""
    for choice in CHOICES:
        task = EvaluationTask.within_corpus(profiled, "toy", choice)
        whole = predict(task, model, fold.test)
        np.testing.assert_allclose(predict(task, model, fold.test[3:5]), whole[3:5], atol=1e-5)


def test_other_recordings_matter_to_the_profile_alone(profiled, model, fold):
    """Without labels: with other labels, the predictions are the same."""
    foreign = ~np.isin(profiled.data.utterance, fold.test)
    samples = profiled.data.samples.copy()
    samples[foreign] = np.random.default_rng(0).integers(-9999, 9999, (foreign.sum(), samples.shape[1]))
    for choice in CHOICES:
        computed = replace(profiled.data, spectrograms=None)
        task = replace(EvaluationTask.within_corpus(profiled, "toy", choice), test_data=computed)
        groups = replace(task.test_groups, target=1 - task.test_groups.target.clip(0, 1))
        wanted = predict(task, model, fold.test)
        assert np.array_equal(predict(replace(task, test_groups=groups), model, fold.test), wanted)
        changed = predict(replace(task, test_data=replace(computed, samples=samples)), model, fold.test)
        assert np.array_equal(changed, wanted) == (choice == "off")


def test_the_temperature_is_that_of_the_choice(profiled, model):
    for choice, temperature in zip(CHOICES, ("profiled", "plain", "profiled"), strict=True):
        task = EvaluationTask.within_corpus(profiled, "toy", choice)
        assert task.temperature(model) == getattr(model.temperatures, temperature)


def metrics_of(task, protocol, folds, folder):
    return conclude(task, protocol, folds, cross_validate(task, folds, folder)).metrics


@pytest.mark.parametrize("choice", CHOICES)
def test_the_result_states_what_was_used(profiled, model, fold, tmp_path, monkeypatch, choice):
    monkeypatch.setattr(Experiment, "train", lambda *arguments, **options: model)
    task = EvaluationTask.within_corpus(profiled, "toy", choice)
    metrics = metrics_of(task, PROTOCOLS["loso"], {0: [fold]}, tmp_path)
    assert metrics["profile"] == choice
    assert metrics["leakage"].endswith(PROFILE_NOTES[choice])
    assert metrics["speaker_independent"]


def test_a_network_without_profiles_needs_no_note(experiment, fold, tmp_path):
    task = EvaluationTask.within_corpus(experiment, "toy")
    metrics = metrics_of(task, PROTOCOLS["loso"], {0: [fold]}, tmp_path)
    assert metrics["profile"] == "off"
    assert "standardised" not in metrics["leakage"]


@pytest.fixture(scope="module")
def corpora(pool_of, utterances):
    """Two corpora of two speakers each."""
    one = [each for each in utterances if each.speaker in ("s0", "s1")]
    two = [each for each in utterances if each not in one]
    return CorpusPool((*pool_of("one", one).members, *pool_of("two", two).members))


def test_a_corpus_that_is_left_out_has_the_profile_of_its_own_recordings(corpora, toy_recipe, tmp_path, monkeypatch):
    experiment = experiment_on(corpora.utterances, toy_recipe, corpora.corpus_of_each)
    protocol = leave_corpus_out(corpora)
    folds = protocol.folds(corpora.utterances, 0)
    first = next(fold for fold in folds if fold.name == "one")
    model = experiment.train(first, 0)
    auto, off = (between_corpora(experiment, corpora, profile=choice) for choice in ("auto", "off"))
    wanted = predict(auto, model, first.test)
    assert not np.array_equal(wanted, predict(off, model, first.test))
    samples = auto.test_data.samples.copy()
    samples[~np.isin(auto.test_data.utterance, first.test)] = 7
    others = replace(auto, test_data=replace(auto.test_data, samples=samples))
    np.testing.assert_array_equal(predict(others, model, first.test), wanted)
    monkeypatch.setattr(Experiment, "train", lambda *arguments, **options: model)
    for task, note in ((auto, PROFILE_NOTES["auto"]), (off, PROFILE_NOTES["off"])):
        assert note in metrics_of(task, protocol, {0: [first]}, tmp_path / task.profile)["leakage"]
