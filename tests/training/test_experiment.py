from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pcqtool.errors import CorpusError, ModelError, SettingsError
from pcqtool.metrics.calibration import fit_temperature
from pcqtool.model.encoders import pretrained
from pcqtool.training.api import train
from pcqtool.training.experiment import Experiment
from pcqtool.training.recipe import Distillation, load_recipe
from pcqtool.training.trainer import file_probabilities, refit

CPU = torch.device("cpu")


def test_labels_are_in_the_order_of_the_vocabulary(experiment, utterances):
    assert experiment.labels == ("anger", "neutral", "sadness")
    assert [experiment.labels[target] for target in experiment.targets] == [each.label for each in utterances]


def test_probabilities_sum_to_one_and_transfer_to_the_unseen_speaker(experiment, trained, fold, predict):
    probabilities = predict(experiment, trained, fold.test)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert (probabilities.argmax(axis=1) == experiment.targets[list(fold.test)]).mean() > 0.5


def test_the_temperature_is_fitted_to_the_validation_part_alone(experiment, trained, fold, logits_of):
    assert trained.temperature > 0
    logits = logits_of(trained.model, experiment.data, fold.validation)
    wanted = fit_temperature(
        [each.mean(axis=0, keepdims=True) for each in logits], experiment.targets[list(fold.validation)]
    )
    assert trained.temperature == pytest.approx(wanted, rel=1e-3)


def test_the_test_part_changes_nothing(utterances, toy_recipe, fold):
    recipe = toy_recipe("mini", epochs=2, distillation=None)
    one, other = Experiment(utterances, recipe, CPU).prepare(), Experiment(utterances, recipe, CPU).prepare()
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
    changed = Experiment(experiment.utterances, toy_recipe(epochs=1), CPU).prepare()
    first = changed.train(fold, 1)
    changed.targets[list(fold.validation)] = first.validation.argmax(axis=1)
    second = changed.train(fold, 1)
    assert second.temperature < first.temperature, "all right: surer"
    assert torch.equal(first.model.classifier[1].weight, second.model.classifier[1].weight)


@pytest.mark.parametrize("rule", ["mean-log", "duration"])
def test_the_temperature_fits_what_users_get(experiment, trained, fold, logits_of, rule):
    """Dividing segments' logits by it is dividing the file's, whatever the lengths of segments."""
    logits = logits_of(trained.model, experiment.data, fold.validation)
    cold = np.log(file_probabilities(logits, experiment.data, fold.validation, rule))
    warm = file_probabilities(logits, experiment.data, fold.validation, rule, 3.0)
    softened = np.exp(cold / 3.0)
    np.testing.assert_allclose(warm, softened / softened.sum(axis=1, keepdims=True), atol=1e-9)


def test_a_teacher_changes_the_loss(utterances, toy_recipe, fold, tiny_whisper):
    recipe = toy_recipe("mini", epochs=1, distillation=Distillation(layers=(1, 2)))
    experiment = Experiment(utterances, recipe, CPU, teacher=str(tiny_whisper)).prepare()
    trained = experiment.train(fold, 1)
    alone = Experiment(utterances, replace(recipe, distillation=None), CPU, teacher=str(tiny_whisper)).prepare()
    assert alone.pretrained_names == {"encoder": None, "teacher": None}
    assert experiment.pretrained_names == {"encoder": None, "teacher": "tiny-whisper"}
    assert trained.history[0].loss > alone.train(fold, 1).history[0].loss


BEST = {"layers": [1, 2], "concat_layers": True, "frozen": True}


def count_loads(monkeypatch) -> list[str]:
    """Return a list that gets the source of every encoder that is loaded."""
    loaded = []
    load_hf_encoder = pretrained.load_hf_encoder
    monkeypatch.setattr(
        pretrained, "load_hf_encoder", lambda source: loaded.append(str(source)) or load_hf_encoder(source)
    )
    return loaded


@pytest.mark.parametrize(
    ("encoder", "layers", "n_loads"),
    [(BEST, (1, 2), 1), (BEST, (0, 2), 2), ({"layers": [1, 2]}, (1, 2), 1), (BEST | {"layers": [2]}, None, 1)],
    ids=["encoder and teacher alike", "another teacher", "a trained encoder", "no teacher"],
)
def test_an_encoder_is_loaded_once(
    utterances, toy_recipe, fold, tiny_whisper, monkeypatch, tmp_path, encoder, layers, n_loads
):
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path))
    loaded, source = count_loads(monkeypatch), str(tiny_whisper)
    distillation = None if layers is None else Distillation(layers=layers)
    recipe = toy_recipe(encoder, epochs=2, refit=True, distillation=distillation)
    experiment = Experiment(utterances, recipe, CPU, source, source).prepare()
    assert loaded == [source] * n_loads
    first = experiment.train(fold, 1)
    assert len(experiment.digest) == 64
    again = experiment.train(fold, 1)
    assert loaded == [source] * n_loads
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), "training changed the encoder that it began with"


def test_train_loads_the_encoder_of_a_recipe_like_best_once(toy_root, tiny_whisper, monkeypatch, tmp_path):
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "like-best.toml").write_text(
        "epochs = 1\nn_augmented = 1\nrefit = true\n"
        "[network]\nspectrogram_pool = [8, 4]\nclassifier_hidden = []\n"
        "mlcnn_channels = [4, 8]\nmlcnn_strides = [2, 2]\n"
        "encoder = { kind = 'whisper', layers = [1, 2], concat_layers = true, frozen = true }\n"
        "[distillation]\nlayers = [1, 2]\n"
    )
    loaded = count_loads(monkeypatch)
    recipe, out = tmp_path / "like-best.toml", tmp_path / "model"
    train("manifest", out, root=toy_root, recipe=recipe, encoder=tiny_whisper, device="cpu", jobs=1)
    assert loaded == [str(tiny_whisper)]


def test_an_experiment_does_nothing_before_it_is_prepared(utterances, toy_recipe, tmp_path):
    gone = [replace(each, path=tmp_path / "gone.wav") for each in utterances]
    experiment = Experiment(gone, toy_recipe(), CPU, str(tmp_path / "no-encoder"))
    with pytest.raises(ModelError):
        experiment.prepare()


def test_an_encoder_is_built_upon(utterances, toy_recipe, fold, tiny_whisper, predict):
    recipe = toy_recipe({"layers": [0, 2]}, epochs=1)
    experiment = Experiment(utterances, recipe, CPU, encoder=str(tiny_whisper)).prepare()
    assert experiment.config.encoder.kind == "whisper"
    assert experiment.config.encoder.layers == (0, 2)
    assert experiment.pretrained_names == {"encoder": "tiny-whisper", "teacher": None}
    trained = experiment.train(fold, 1)
    assert trained.model.encoder.mix.shape == (2,)
    assert predict(experiment, trained, fold.test).shape == (9, 3)


def test_impossible_settings_are_refused_before_the_work(utterances, toy_recipe, tmp_path):
    gone = [replace(each, path=tmp_path / "gone.wav") for each in utterances]  # would fail later
    with pytest.raises(SettingsError, match="learns from a teacher") as caught:
        Experiment(gone, load_recipe("mini"), CPU).prepare()
    assert "--teacher" in caught.value.hint
    with pytest.raises(SettingsError, match="recipe paper builds on a pre-trained encoder") as caught:
        Experiment(gone, load_recipe("paper"), CPU).prepare()
    assert "--encoder" in caught.value.hint
    with pytest.raises(ModelError):
        Experiment(gone, toy_recipe(), CPU, encoder=str(tmp_path / "no-encoder")).prepare()
    with pytest.raises(CorpusError, match="only the class anger"):
        Experiment([each for each in gone if each.label == "anger"], toy_recipe(), CPU).prepare()
    with pytest.raises(CorpusError, match=r"gone\.wav"):
        Experiment(gone, toy_recipe(), CPU).prepare()


def test_refitting_trains_on_the_validation_part_too(utterances, toy_recipe, fold, predict, setup_of, logits_of):
    plain, again = (Experiment(utterances, toy_recipe(epochs=4, refit=refit), CPU).prepare() for refit in (False, True))
    once, twice = plain.train(fold, 1), again.train(fold, 1)
    assert twice.history == once.history
    assert twice.temperature == once.temperature
    np.testing.assert_array_equal(twice.validation, once.validation)
    np.testing.assert_array_equal(once.validation, predict(plain, once, fold.validation))
    assert list(once.train) == list(fold.train)
    assert list(twice.train) == sorted([*fold.train, *fold.validation])
    setup = setup_of(again.recipe, twice.train, config=again.config, data=again.data, targets=again.targets)
    model = refit(setup, once.best.number)
    wanted = logits_of(model, again.data, fold.test)
    for found, value in zip(logits_of(twice.model, again.data, fold.test), wanted, strict=True):
        np.testing.assert_array_equal(found, value)
    again.targets[list(fold.test)] = 0
    unchanged = again.train(fold, 1).model.classifier[1].weight
    assert torch.equal(unchanged, twice.model.classifier[1].weight)
    again.targets[list(fold.validation)] = 0
    assert not torch.equal(again.train(fold, 1).model.classifier[1].weight, unchanged)


def test_a_test_part_that_validates_is_not_trained_on(utterances, toy_recipe, fold):
    experiment = Experiment(utterances, toy_recipe(epochs=2, refit=True), CPU).prepare()
    leaking = replace(fold, validation=fold.test)
    assert experiment.final_training_part(leaking) == leaking.train
    model = experiment.train(leaking, 1).model
    plain = Experiment(utterances, toy_recipe(epochs=2), CPU).prepare().train(leaking, 1).model
    assert torch.equal(model.classifier[1].weight, plain.classifier[1].weight)
