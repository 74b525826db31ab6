from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from pcqtool.aggregation import aggregate
from pcqtool.audio.spectrogram import Spectrogram
from pcqtool.errors import TrainingError
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.training import trainer as module
from pcqtool.training.loss import ABSENT
from pcqtool.training.network_config import load_encoder, network_config
from pcqtool.training.network_inputs import FrontEnds, with_statistics
from pcqtool.training.recipe import SpecAugment
from pcqtool.training.trainer import TrainingState, file_probabilities, fit, predict_validation
from tests.toy_training import MINI

FROZEN = MINI | {"layers": [0, 1], "concat_layers": True, "frozen": True}


@pytest.fixture
def run(experiment, fold, toy_recipe, setup_of):
    """Train on the toy corpus; return the model and its history."""

    def train(encoder=None, pretrained=None, on_epoch=lambda epoch: None, **changes):
        recipe = toy_recipe(encoder, **changes)
        begin = None if pretrained is None else load_encoder(recipe, pretrained)
        config = network_config(experiment.labels, recipe, begin)
        setup = setup_of(recipe, fold.train, config=config, encoder=begin)
        return fit(setup, fold.validation, on_epoch)

    return train


@pytest.fixture
def scripted(monkeypatch):
    """Take validation losses from a list, and keep each epoch's weights."""

    def script(losses):
        kept = []

        def validate(setup, front_ends, validation, number):
            kept.append({name: value.clone() for name, value in front_ends.model.state_dict().items()})
            return losses[number - 1], 0.0, 0.0

        monkeypatch.setattr(module, "validate", validate)
        return kept

    return script


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_toy_task_is_learnt(trained):
    best = min(trained.history, key=lambda epoch: epoch.validation_loss)
    assert best.validation_ua >= 0.6  # chance is 1/3
    assert best.validation_loss < 0.8 * math.log(3)
    assert trained.history[-1].loss < 0.75 * trained.history[0].loss
    assert not trained.model.training


def test_a_model_holds_its_training_parts_statistics(trained, experiment, fold):
    wanted = with_statistics(experiment.config, experiment.data, fold.train)
    assert trained.model.config == wanted != experiment.config


def test_the_seed_decides_every_weight(run):
    first, again, other = (run(epochs=2, seed=seed)[0].state_dict() for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


def test_what_was_drawn_before_does_not_matter(run):
    first, _ = run(epochs=1)
    torch.rand(7)
    np.random.default_rng().random(7)
    assert same(first.state_dict(), run(epochs=1)[0].state_dict())


def test_every_epoch_is_told_and_kept(run):
    told = []
    _, history = run(epochs=3, on_epoch=told.append)
    assert told == history
    assert [epoch.number for epoch in history] == [1, 2, 3]
    assert list(history[0].to_dict())[:3] == ["number", "loss", "validation_loss"]
    assert all(0 < epoch.lr <= 1e-2 and epoch.seconds > 0 for epoch in history)


def test_training_stops_after_epochs_without_progress(run, scripted):
    losses = [1.0, 0.8, 0.9, 0.85, 0.8, 0.1]
    scripted(losses)
    assert [epoch.validation_loss for epoch in run(epochs=6, patience=3)[1]] == losses[:5]
    assert len(run(epochs=6, patience=4)[1]) == 6
    assert len(run(epochs=6, patience=1)[1]) == 3


def test_the_best_epochs_weights_come_back(run, scripted):
    kept = scripted([1.0, 0.5, 0.7, 0.6])
    model, _ = run(epochs=4, ema=0.5)
    assert same(model.state_dict(), kept[1])
    assert not same(kept[1], kept[3])


def test_averaged_weights_trail_the_last_ones(run, scripted):
    kept_last, kept_mean = scripted([2.0, 1.0]), None
    run(epochs=2)
    kept_mean = scripted([2.0, 1.0])
    run(epochs=2, ema=0.99)
    name = "classifier.1.weight"
    assert not torch.equal(kept_last[0][name], kept_mean[0][name])
    moved = (kept_last[1][name] - kept_last[0][name]).norm()
    assert (kept_mean[1][name] - kept_mean[0][name]).norm() < moved


@pytest.mark.parametrize(
    "changes",
    [
        {"mixup": 0.3},
        {"ema": 0.9, "aggregation": "duration"},
        {"encoder": "mini", "mixup": 0.3, "ema": 0.9},
        {"encoder": MINI | {"layers": [0, 1]}},
        {"schedule": "constant", "warmup_steps": 0, "class_weighting": False, "n_augmented": 0, "label_smoothing": 0.1},
        {"batch_size": 1000},
        {"specaugment": SpecAugment()},
        {"encoder": "mini", "specaugment": SpecAugment(), "mixup": 0.3},
        {"grad_accumulation": 3, "batch_size": 4},
        {"encoder": "mini", "precision": "bfloat16"},
        {"encoder": FROZEN, "cache": False},
        {"network": {"profile_s": 30.0}},
        {"encoder": "mini", "network": {"profile_s": 30.0}, "mixup": 0.3},
        {"encoder": FROZEN, "network": {"profile_s": 30.0, "frame_pool": 5}, "mixup": 0.3},
    ],
    ids=str,
)
def test_every_path_runs_and_ends_in_finite_weights(run, changes):
    model, history = run(epochs=2, **changes)
    assert len(history) == 2
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert all(math.isfinite(value) for value in history[-1].to_dict().values())


def test_a_loss_that_is_no_number_ends_the_run(run):
    with pytest.raises(TrainingError, match="not a number in epoch 1") as caught:
        run(epochs=3, lr=1e30, warmup_steps=0)
    assert "learning rate" in caught.value.hint


def test_a_model_that_breaks_in_its_last_step_is_noticed_too(setup_of, fold, toy_recipe, monkeypatch):
    setup = setup_of(toy_recipe(epochs=1, batch_size=1000), fold.train)
    nan = np.full((1, 3), np.nan)
    monkeypatch.setattr(module, "predict_logits", lambda front_ends, utterances, assignment: [nan for _ in utterances])
    with pytest.raises(TrainingError, match="epoch 1"):
        fit(setup, fold.validation)


def test_a_frozen_encoder_stays_and_a_tuned_one_moves(run, tiny_whisper):
    source = str(tiny_whisper)
    before = load_pretrained(source).model.state_dict()
    frozen, _ = run({"frozen": True}, source, epochs=1)
    assert same(frozen.encoder.model.state_dict(), before)
    tuned, _ = run(None, source, epochs=1, encoder_lr=1e-3)
    after = tuned.encoder.model.state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert any("fc1" in name for name in moved)
    assert "embed_positions.weight" not in moved
    assert frozen.encoder.config.frozen
    assert not tuned.encoder.config.frozen


def test_the_encoder_has_a_learning_rate_of_its_own(run, tiny_whisper):
    before = load_pretrained(str(tiny_whisper)).model.state_dict()
    moves = []
    for encoder_lr in (1e-5, 1e-3):
        model, _ = run(None, str(tiny_whisper), epochs=1, encoder_lr=encoder_lr)
        moves.append((model.encoder.model.state_dict()["conv1.weight"] - before["conv1.weight"]).abs().max().item())
    assert 0 < moves[0] < 0.1 * moves[1]


def test_statistics_are_those_of_the_training_recordings(experiment, fold):
    config = with_statistics(experiment.config, experiment.data, fold.train)
    data, spectrogram, values = experiment.data, Spectrogram(experiment.config.spectrogram), []
    for utterance in fold.train:
        for row in data.rows(utterance):
            level = spectrogram(torch.from_numpy(data.waves(np.array([row]))))[0, : data.n_samples[row] // 160]
            values.append(level.flatten())
    values = torch.cat(values).double()
    assert config.mean_db == pytest.approx(values.mean().item(), abs=1e-3)
    assert config.sd_db == pytest.approx(values.std(correction=0).item(), abs=1e-3)


def test_statistics_know_nothing_of_other_parts_or_of_views(experiment, fold):
    data = experiment.data
    foreign = ~np.isin(data.utterance, fold.train) | (data.version > 0)
    samples = data.samples.copy()
    samples[foreign] = np.random.default_rng(0).integers(-9999, 9999, (foreign.sum(), 48000))
    perturbed = replace(data, samples=samples)
    assert with_statistics(experiment.config, perturbed, fold.train) == with_statistics(
        experiment.config, data, fold.train
    )
    assert with_statistics(experiment.config, perturbed, fold.validation) != with_statistics(
        experiment.config, data, fold.validation
    )


def test_classes_that_a_corpus_lacks_are_not_predicted_in_validation(experiment, setup_of, toy_recipe, fold):
    groups = replace(experiment.groups, corpus=(experiment.targets == 2).astype(np.int64))  # a corpus of one class
    setup = setup_of(toy_recipe(), fold.train, groups=groups)
    model = TrainingState(setup).model
    front_ends = FrontEnds.of(model, experiment.data, experiment.data.recorded_rows(fold.validation))
    for utterance, logits in zip(fold.validation, predict_validation(setup, front_ends, fold.validation), strict=True):
        lacking = [2] if experiment.targets[utterance] < 2 else [0, 1]
        assert (logits[:, lacking] == ABSENT).all()
        assert (np.abs(np.delete(logits, lacking, axis=1)) < 100).all()
    loss, _, _ = module.validate(setup, front_ends, fold.validation, 1)
    assert 0 < loss < math.log(2), "a third of the files has no choice"


def test_judging_gives_each_utterance_its_own_segments(experiment, trained, logits_of):
    utterances = [8, 0, 5]
    together = logits_of(trained.model, experiment.data, utterances)
    assert [len(logits) for logits in together] == [len(experiment.data.rows(u)) for u in utterances]
    for utterance, logits in zip(utterances, together, strict=True):
        np.testing.assert_allclose(logits_of(trained.model, experiment.data, [utterance])[0], logits, atol=1e-5)


@pytest.mark.parametrize("rule", ["mean-log", "duration", "vote", "mean"])
def test_files_are_judged_by_the_rule(experiment, rule):
    utterance = next(u for u in range(36) if len(experiment.data.rows(u)) == 2)
    logits = np.array([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    given = file_probabilities([logits], experiment.data, [utterance], rule, 2.0)
    np.testing.assert_allclose(given[0], aggregate(logits / 2.0, np.array([3.0, 1.0]), rule))
