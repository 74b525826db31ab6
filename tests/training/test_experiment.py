from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pcqtool.errors import CorpusError, ModelError, SettingsError
from pcqtool.metrics.calibration import fit_temperature
from pcqtool.training import experiment as experiment_module
from pcqtool.training.augmentation import Augmentations
from pcqtool.training.data import build_segments
from pcqtool.training.experiment import Experiment
from pcqtool.training.recipe import Distillation, load_recipe
from pcqtool.training.trainer import file_probabilities, judge, refit

CPU = torch.device("cpu")


def test_labels_are_in_the_order_of_the_vocabulary(experiment, utterances):
    assert experiment.labels == ("anger", "neutral", "sadness")
    assert [experiment.labels[target] for target in experiment.targets] == [each.label for each in utterances]


def test_probabilities_sum_to_one_and_find_the_unheard_speaker(experiment, trained, fold):
    probabilities = experiment.probabilities(trained, fold.test)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (probabilities.argmax(axis=1) == experiment.targets[list(fold.test)]).mean() > 0.5


def test_the_temperature_is_fitted_to_the_validation_part_alone(experiment, trained, fold):
    assert trained.temperature > 0
    logits = judge(trained.model, experiment.data, fold.validation)
    wanted = fit_temperature(
        [each.mean(axis=0, keepdims=True) for each in logits], experiment.targets[list(fold.validation)]
    )
    assert trained.temperature == pytest.approx(wanted, rel=1e-3)


def test_the_test_part_changes_nothing(utterances, toy_recipe, fold):
    recipe = toy_recipe("mini", epochs=2, distillation=None)
    one, other = Experiment(utterances, recipe, CPU), Experiment(utterances, recipe, CPU)
    foreign = np.isin(other.data.utterance, fold.test)
    samples = other.data.samples.copy()
    samples[foreign] //= 2
    other.data = replace(other.data, samples=samples)
    other.targets[list(fold.test)] = 0
    first, second = one.train(fold, 1), other.train(fold, 1)
    assert first.history == second.history
    assert first.temperature == second.temperature
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name])


def test_the_validation_part_decides_the_temperature(experiment, fold, toy_recipe):
    changed = Experiment(experiment.utterances, toy_recipe(epochs=1), CPU)
    first = changed.train(fold, 1)
    changed.targets[list(fold.validation)] = first.validation.argmax(axis=1)
    second = changed.train(fold, 1)
    assert second.temperature < first.temperature, "all right: surer"
    assert torch.equal(first.model.classifier[1].weight, second.model.classifier[1].weight)


@pytest.mark.parametrize("rule", ["mean-log", "duration"])
def test_the_temperature_fits_what_users_get(experiment, trained, fold, toy_recipe, rule):
    """Dividing segments' logits by it is dividing the file's, whatever the lengths of segments."""
    logits = judge(trained.model, experiment.data, fold.validation)
    cold = np.log(file_probabilities(logits, experiment.data, fold.validation, rule))
    warm = file_probabilities(logits, experiment.data, fold.validation, rule, 3.0)
    softened = np.exp(cold / 3.0)
    np.testing.assert_allclose(warm, softened / softened.sum(axis=1, keepdims=True), atol=1e-9)


def test_a_teacher_is_heard(utterances, toy_recipe, fold, tiny_whisper):
    recipe = toy_recipe("mini", epochs=1, distillation=Distillation(layers=(1, 2)))
    experiment = Experiment(utterances, recipe, CPU, teacher=str(tiny_whisper))
    trained = experiment.train(fold, 1)
    alone = Experiment(utterances, replace(recipe, distillation=None), CPU, teacher=str(tiny_whisper))
    assert alone.origins == {"encoder": None, "teacher": None}
    assert experiment.origins == {"encoder": None, "teacher": "tiny-whisper"}
    assert trained.history[0].loss > alone.train(fold, 1).history[0].loss


@pytest.mark.parametrize("spoken", [True, False])
def test_a_teacher_hears_views_as_they_were_spoken_where_it_is_to(
    utterances, toy_recipe, tiny_whisper, monkeypatch, spoken
):
    hear, heard = experiment_module.hear_teacher, []
    monkeypatch.setattr(experiment_module, "hear_teacher", lambda *args: heard.append(args[1]) or hear(*args))
    views = Augmentations(p_noise=1.0, p_telephone=1.0, p_codec=0.0)
    recipe = toy_recipe("mini", distillation=Distillation(layers=(1, 2)), augmentations=views, spoken=spoken)
    data = Experiment(utterances, recipe, CPU, teacher=str(tiny_whisper)).data
    wanted = build_segments(utterances, recipe.n_augmented, views.clean(), recipe.seed, 1)
    np.testing.assert_array_equal(heard[0].samples, wanted.samples if spoken else data.samples)
    np.testing.assert_array_equal(heard[0].n_samples, data.n_samples)
    assert not np.array_equal(wanted.samples, data.samples)


def test_an_encoder_is_built_upon(utterances, toy_recipe, fold, tiny_whisper):
    recipe = toy_recipe({"layers": [0, 2]}, epochs=1)
    experiment = Experiment(utterances, recipe, CPU, encoder=str(tiny_whisper))
    assert experiment.config.encoder.kind == "whisper"
    assert experiment.config.encoder.layers == (0, 2)
    assert experiment.origins == {"encoder": "tiny-whisper", "teacher": None}
    trained = experiment.train(fold, 1)
    assert trained.model.encoder.mix.shape == (2,)
    assert experiment.probabilities(trained, fold.test).shape == (9, 3)


def test_what_cannot_be_done_is_said_before_the_work(utterances, toy_recipe, tmp_path):
    gone = [replace(each, path=tmp_path / "gone.wav") for each in utterances]  # would fail later
    with pytest.raises(SettingsError, match="learns from a teacher") as caught:
        Experiment(gone, load_recipe("mini"), CPU)
    assert "--teacher" in caught.value.hint
    with pytest.raises(SettingsError, match="recipe paper builds on a pre-trained encoder") as caught:
        Experiment(gone, load_recipe("paper"), CPU)
    assert "--encoder" in caught.value.hint
    with pytest.raises(ModelError):
        Experiment(gone, toy_recipe(), CPU, encoder=str(tmp_path / "no-encoder"))
    with pytest.raises(CorpusError, match="nothing but anger"):
        Experiment([each for each in gone if each.label == "anger"], toy_recipe(), CPU)
    with pytest.raises(CorpusError, match=r"gone\.wav"):
        Experiment(gone, toy_recipe(), CPU)


def test_refitting_learns_from_the_validation_part_too(utterances, toy_recipe, fold):
    plain, again = (Experiment(utterances, toy_recipe(epochs=4, refit=refit), CPU) for refit in (False, True))
    once, twice = plain.train(fold, 1), again.train(fold, 1)
    assert twice.history == once.history
    assert twice.temperature == once.temperature
    np.testing.assert_array_equal(twice.validation, once.validation)
    np.testing.assert_array_equal(once.validation, plain.probabilities(once, fold.validation))
    assert list(once.train) == list(fold.train)
    assert list(twice.train) == sorted([*fold.train, *fold.validation])
    model = refit(again.config, again.data, again.targets, twice.train, once.best.number, again.recipe, CPU)
    wanted = judge(model, again.data, fold.test)
    for found, value in zip(judge(twice.model, again.data, fold.test), wanted, strict=True):
        np.testing.assert_array_equal(found, value)
    again.targets[list(fold.test)] = 0
    unchanged = again.train(fold, 1).model.classifier[1].weight
    assert torch.equal(unchanged, twice.model.classifier[1].weight)
    again.targets[list(fold.validation)] = 0
    assert not torch.equal(again.train(fold, 1).model.classifier[1].weight, unchanged)


def test_the_part_that_tests_is_not_learnt_from_where_it_validates_too(utterances, toy_recipe, fold):
    experiment = Experiment(utterances, toy_recipe(epochs=2, refit=True), CPU)
    leaking = replace(fold, validation=fold.test)
    assert experiment.trains_on(leaking) == leaking.train
    model = experiment.train(leaking, 1).model
    plain = Experiment(utterances, toy_recipe(epochs=2), CPU).train(leaking, 1).model
    assert torch.equal(model.classifier[1].weight, plain.classifier[1].weight)
