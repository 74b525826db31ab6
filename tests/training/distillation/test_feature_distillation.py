from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pcqtool.errors import SettingsError, TrainingError
from pcqtool.model.encoders import EncoderConfig, MiniEncoder
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.training import disk_cache
from pcqtool.training.data import Groups, SegmentSet, TrainingSetup
from pcqtool.training.distillation import feature_distillation as module
from pcqtool.training.distillation.feature_distillation import TeacherStates, cached_distil_features, distil_features
from pcqtool.training.experiment import Experiment
from pcqtool.training.recipe import Distillation, FeatureDistillation

CPU = torch.device("cpu")
CONFIG = EncoderConfig("mini", {"dim": 16, "n_blocks": 2, "expansion": 2, "n_mels": 16}, (2,), frozen=True)
TRAIN = range(6)


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def data() -> SegmentSet:
    """Eight utterances with a view each: noise whose level goes up and down, of 3 and of 1 s."""
    rng = np.random.default_rng(0)
    number = np.repeat(np.arange(8), 2)
    n_samples = np.where(number % 2, 16000, 48000)
    slow = np.abs(np.sin(np.arange(48000) / 16000 * rng.uniform(2, 6, (16, 1))))
    samples = 3000 * rng.standard_normal((16, 48000)) * slow * (np.arange(48000) < n_samples[:, None])
    return SegmentSet(samples.astype(np.int16), n_samples, number, np.tile([0, 1], 8))


@pytest.fixture(scope="module")
def teacher(data) -> TeacherStates:
    """A teacher that says how loud it is, in four ways, at two depths."""
    frames = np.log10(data.waves(np.arange(16)).reshape(16, 75, 640).std(axis=2) + 1e-4)
    states = np.stack([frames, frames**2], axis=1)[..., None] * np.array([1.0, -2.0, 30.0, 0.01]) + 5.0
    return TeacherStates(states.astype(np.float16), 2, "loudness")


def recipe(toy_recipe, **settings):
    return toy_recipe(
        feature_distillation=FeatureDistillation(**{"epochs": 30, "batch_size": 4, "crop_s": 1.0} | settings)
    )


def setup(recipe, data, train=TRAIN):
    network = PCQConfig(("anger", "neutral"), encoder=CONFIG)
    same = np.zeros(8, np.int64)
    return TrainingSetup(PCQ, network, data, same, train, recipe, CPU, Groups(same, same, same))


def run(toy_recipe, data, teacher, train=TRAIN, **settings):
    losses = []
    begin = setup(recipe(toy_recipe, **settings), data, train)
    weights = distil_features(begin, teacher, lambda number, loss: losses.append(loss))
    return weights, losses


def test_it_learns_what_the_teacher_says_of_others_too(toy_recipe, data, teacher):
    weights, losses = run(toy_recipe, data, teacher, mean_weight=0.0, epochs=100, batch_size=2)
    assert len(losses) == 100
    assert losses[-1] < 0.3 * losses[0]
    encoder = MiniEncoder(CONFIG)
    encoder.load_state_dict(weights)
    others = np.arange(12, 16, 2)  # 3 s of utterances 6 and 7, which were not learnt from
    with torch.no_grad():
        frames = encoder.hidden_states(encoder.front_end(torch.from_numpy(data.waves(others[:1]))))[0][0]
    design = np.c_[frames.numpy(), np.ones(75)]
    said = teacher.states[others[0], 0, :, 0].astype(float)
    fitted = design @ np.linalg.lstsq(design, said, rcond=None)[0]
    assert np.corrcoef(fitted, said)[0, 1] > 0.9


def test_nothing_is_learnt_from_other_parts(toy_recipe, data, teacher):
    first, _ = run(toy_recipe, data, teacher, epochs=2)
    held_out = ~np.isin(data.utterance, TRAIN)
    states, samples = teacher.states.copy(), data.samples.copy()
    states[held_out] *= -3
    samples[held_out] //= 2
    second, _ = run(toy_recipe, replace(data, samples=samples), replace(teacher, states=states), epochs=2)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    third, _ = run(toy_recipe, data, teacher, train=range(5), epochs=2)
    assert not all(torch.equal(value, third[name]) for name, value in first.items())


def test_the_unit_of_what_the_teacher_says_does_not_matter(toy_recipe, data, teacher):
    _, losses = run(toy_recipe, data, teacher, epochs=2)
    louder = replace(teacher, states=(teacher.states.astype(np.float32) * 2 - 7).astype(np.float16))
    _, others = run(toy_recipe, data, louder, epochs=2)
    assert losses == pytest.approx(others, rel=0.05)


def test_padding_is_not_distilled(toy_recipe, data, teacher):
    first, _ = run(toy_recipe, data, teacher, epochs=2)
    states = teacher.states.copy()
    states[data.n_samples == 16000, :, 25:] = 1000.0
    second, _ = run(toy_recipe, data, replace(teacher, states=states), epochs=2)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_it_is_done_once(toy_recipe, data, teacher, monkeypatch):
    settings = recipe(toy_recipe, epochs=1)
    first = cached_distil_features(setup(settings, data), teacher)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "distil_features", None)
        again = cached_distil_features(setup(settings, data), teacher)
    assert first.keys() == again.keys() == MiniEncoder(CONFIG).state_dict().keys()
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    done = []
    monkeypatch.setattr(module, "distil_features", lambda *arguments: done.append(arguments) or first)
    for other in (
        (setup(settings, data), replace(teacher, key="other")),
        (setup(settings, replace(data, samples=data.samples // 2)), teacher),  # other versions, same teacher
        (setup(settings, data, range(5)), teacher),
        (setup(replace(settings, seed=7), data), teacher),
        (setup(replace(settings, p_clean=0.5), data), teacher),
        (setup(recipe(toy_recipe, epochs=2), data), teacher),
    ):
        cached_distil_features(*other)
    assert len(done) == 6


def test_a_loss_that_is_no_number_is_an_error(toy_recipe, data, teacher):
    with pytest.raises(TrainingError, match=r"not a number in epoch 1"):
        run(toy_recipe, data, replace(teacher, states=np.full_like(teacher.states, np.nan)), epochs=1)


def test_a_recipe_distils_and_then_learns_labels(utterances, toy_recipe, fold, tiny_whisper, predict):
    encoder = {"kind": "mini", "architecture": dict(CONFIG.architecture), "layers": [1, 2], "frozen": True}
    wanted = toy_recipe(
        encoder,
        epochs=2,
        feature_distillation=FeatureDistillation(layers=(0, 1, 2), epochs=1, batch_size=4),
        distillation=Distillation(layers=(2,)),
    )
    experiment = Experiment(utterances, wanted, CPU, teacher=str(tiny_whisper)).prepare()
    losses = []
    trained = experiment.train(fold, 1, on_distillation=lambda number, loss: losses.append(loss))
    assert len(losses) == 1
    begin = setup(replace(wanted, seed=1), experiment.data, fold.train)
    begin = replace(begin, config=experiment.config, groups=experiment.groups)
    kept = cached_distil_features(begin, experiment.teacher.states)
    found = trained.model.encoder.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in kept.items())
    assert predict(experiment, trained, fold.test).shape == (9, 3)


@pytest.mark.parametrize("frozen", [True, False])
def test_feature_distillation_and_a_frozen_mini_encoder_need_each_other(utterances, toy_recipe, tiny_whisper, frozen):
    encoder = {"kind": "mini", "architecture": dict(CONFIG.architecture), "frozen": frozen}
    wanted = toy_recipe(encoder, feature_distillation=None if frozen else FeatureDistillation())
    with pytest.raises(SettingsError, match="need each other"):
        Experiment(utterances, wanted, CPU, teacher=str(tiny_whisper)).prepare()


class StopError(Exception):
    """Stands for a kill between two epochs."""


def test_a_stopped_run_resumes_and_ends_with_the_same_weights(toy_recipe, data, teacher):
    settings = recipe(toy_recipe, epochs=4)
    expected = distil_features(setup(settings, data), teacher)
    epochs = []

    def stop_after_two(number, loss):
        epochs.append(number)
        if epochs == [1, 2]:
            raise StopError

    with pytest.raises(StopError):
        cached_distil_features(setup(settings, data), teacher, stop_after_two)
    found = cached_distil_features(setup(settings, data), teacher, stop_after_two)
    assert epochs == [1, 2, 3, 4]
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    folder = disk_cache.cache_folder() / "distilled"
    assert not list(folder.glob("*.checkpoint"))
