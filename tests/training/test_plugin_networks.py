"""Networks of a plugin: recipes, the cache of their front ends, training and its checkpoints."""

from __future__ import annotations

from dataclasses import replace

import cloudpickle
import numpy as np
import pytest
import torch

from pcqtool.errors import SettingsError, TrainingError
from pcqtool.model.registry import network_class
from pcqtool.training.augmentation import Augmentations
from pcqtool.training.checkpoint import Checkpoint, run_fingerprint
from pcqtool.training.experiment import Experiment
from pcqtool.training.network_config import configure
from pcqtool.training.network_inputs import FrontEnds
from pcqtool.training.recipe import FeatureDistillation, ProfileSimulation, Recipe, SpecAugment, load_recipe
from pcqtool.training.recipe_changes import find_key, known_settings, parse_changes
from tests.installed_plugins import install, tiny_ser  # noqa: F401

CPU = torch.device("cpu")
LABELS = ("anger", "neutral", "sadness")
PLAIN = Augmentations(0.02, p_reverb=0.0, p_noise=0.0, tilt_db=1.0, p_telephone=0.0, p_codec=0.0)


def recipe(kind="tiny", network=(), **changes) -> Recipe:
    usual = {"epochs": 2, "batch_size": 8, "lr": 1e-2, "n_augmented": 1, "warmup_steps": 0, "augmentations": PLAIN}
    return Recipe("toy", {"kind": kind, **dict(network)}, **usual | changes)


@pytest.fixture
def experiment_of(utterances, tiny_ser, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))
    return lambda *arguments, **changes: Experiment(utterances, recipe(*arguments, **changes), CPU).prepare()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "tinny"}, "unknown network 'tinny'; did you mean 'tiny'"),
        ({"network": {"n_chanels": 3}}, "unknown setting 'n_chanels'; did you mean 'n_channels'"),
        ({"network": {"n_channels": "x"}}, "n_channels must be a whole number, not 'x'"),
        ({"network": {"n_channels": -1}}, "describes a network that does not work"),
        ({"feature_distillation": FeatureDistillation()}, "feature_distillation is for pcq"),
        ({"profiles": ProfileSimulation(p_none=0.0)}, "profiles are for pcq"),
        ({"kind": "centres", "specaugment": SpecAugment()}, "specaugment masks spectrograms"),
        ({"kind": "frames", "network": {"encoder": {"kind": "whisper"}}}, "builds on a pre-trained encoder"),
    ],
    ids=str,
)
def test_recipes_that_do_not_fit_are_refused(tiny_ser, changes, said):  # noqa: F811
    with pytest.raises(SettingsError) as caught:
        configure(LABELS, recipe(**changes), None, None)
    assert said in str(caught.value)


def test_an_encoder_for_a_network_without_one_is_refused(tiny_ser, tmp_path):  # noqa: F811
    with pytest.raises(SettingsError, match="an encoder is named, but the network is tiny"):
        configure(LABELS, recipe(), str(tmp_path), None)


def test_the_front_end_is_computed_once_and_kept(experiment_of, monkeypatch):
    experiment = experiment_of(network={"n_channels": 3})
    (spectrograms,) = experiment.data.features
    assert spectrograms.dtype == np.float16
    assert spectrograms.shape == (len(experiment.data.samples), 300, 200)
    model = experiment.network(experiment.config).eval()
    rows = np.array([3, 0, 5])
    inputs = FrontEnds.of(model, experiment.data, rows)(rows)
    wanted = model.encode_inputs(torch.from_numpy(experiment.data.waves(rows)))
    torch.testing.assert_close(inputs.features[0], wanted.features[0], atol=0.05, rtol=1e-3)
    assert inputs.features[0].dtype == torch.float32
    torch.testing.assert_close(inputs.valid_fraction, torch.from_numpy(experiment.data.n_samples[rows] / 48000).float())
    monkeypatch.setattr("pcqtool.training.feature_cache._compute", None)  # a hit computes nothing
    again = experiment_of(network={"n_channels": 5})
    assert np.array_equal(again.data.features[0][rows], spectrograms[rows])
    with pytest.raises(TypeError):
        experiment_of(network={"spectrogram": {"n_bins": 100}})


def test_another_version_of_the_plugin_computes_again(experiment_of, tiny_ser, monkeypatch):  # noqa: F811
    first = experiment_of()
    tiny_ser("2.0")
    with monkeypatch.context() as patch:
        patch.setattr("pcqtool.training.feature_cache._compute", None)
        with pytest.raises(TypeError):
            experiment_of()
    second = Experiment(first.utterances, first.recipe, CPU).prepare()
    assert [str(each) for each in second.plugins] == ["tiny-ser==2.0"]
    assert first.digest != second.digest


def test_waves_are_not_kept_a_second_time(experiment_of):
    experiment = experiment_of("frames")
    assert experiment.data.features == [None]
    model = experiment.network(experiment.config)
    rows = np.array([1, 2])
    (waves,) = FrontEnds.of(model, experiment.data, rows)(rows).features
    assert np.array_equal(waves.numpy(), experiment.data.waves(rows))


def test_training_prepares_and_learns_with_all_that_recipes_have(experiment_of, fold):
    experiment = experiment_of(mixup=0.3, specaugment=SpecAugment(), ema=0.5, refit=True, grad_accumulation=2)
    trained = experiment.train(fold, 0)
    assert [epoch.number for epoch in trained.history] == [1, 2]
    (spectrograms,) = experiment.data.features
    rows = experiment.data.all_rows(trained.train)
    assert float(trained.model.mean) == pytest.approx(float(spectrograms[rows].astype(np.float32).mean()), abs=0.01)
    before = experiment.network(experiment.config)
    assert not torch.equal(before.out.weight, trained.model.out.weight)


def test_an_interrupted_training_ends_with_the_same_weights(experiment_of, fold, tmp_path):
    experiment = experiment_of()
    whole = experiment.train(fold, 0).model.state_dict()
    key = run_fingerprint(experiment.utterances, experiment.recipe, fold, None, None)
    checkpoint = Checkpoint(tmp_path / "c.safetensors", key)

    def stop(epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment.train(fold, 0, stop, checkpoint)
    resumed = experiment.train(fold, 0, checkpoint=checkpoint).model.state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_a_network_without_parameters_is_trained_by_prepare_alone(experiment_of, fold):
    experiment = experiment_of("centres", epochs=7, n_augmented=0)
    trained = experiment.train(fold, 0)
    assert len(trained.history) == 1
    assert np.isfinite(trained.history[0].loss)
    (spectra,) = experiment.data.features
    rows = experiment.data.all_rows([index for index in fold.train if experiment.targets[index] == 1])
    np.testing.assert_allclose(trained.model.centres[1], spectra[rows].mean(axis=0), rtol=1e-4, atol=1e-4)


def test_keys_of_settings_are_those_of_the_recipes_network(tiny_ser, tmp_path):  # noqa: F811
    assert "network.n_channels" in known_settings("tiny")
    assert "network.spectrogram.hop" in known_settings("tiny")
    assert "network.mlcnn_channels" not in known_settings("tiny")
    assert find_key("n_channels", ("pcq", "tiny")) == "network.n_channels"
    with pytest.raises(SettingsError, match="no setting 'n_channels'"):
        find_key("n_channels")
    assert parse_changes(["n_channels=2,3"], ("tiny",)) == {"network.n_channels": [2, 3]}
    (tmp_path / "mine.toml").write_text("[network]\nkind = 'tiny'\n")
    changed = load_recipe(str(tmp_path / "mine.toml"), {"network.n_channels": 2})
    assert (changed.kind, changed.network) == ("tiny", {"kind": "tiny", "n_channels": 2})
    assert replace(changed, network={}).kind == "pcq"


def test_a_front_end_in_bfloat16_is_refused(experiment_of, monkeypatch):
    tiny = network_class("tiny")
    plain = tiny.front_end
    monkeypatch.setattr(tiny, "front_end", lambda *given: tuple(part.bfloat16() for part in plain(*given)))
    with pytest.raises(TrainingError, match="bfloat16"):
        experiment_of()


def test_an_encoder_whose_states_are_kept_can_go_to_other_processes(
    utterances,
    tiny_ser,  # noqa: F811
    tiny_whisper,
    tmp_path,
    monkeypatch,
):
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))
    frozen = recipe("frames", {"encoder": {"kind": "whisper", "frozen": True}})
    experiment = Experiment(utterances, frozen, CPU, encoder=str(tiny_whisper)).prepare()
    assert cloudpickle.loads(cloudpickle.dumps(experiment)).encoder.config == experiment.encoder.config
