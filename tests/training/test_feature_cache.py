from __future__ import annotations

from dataclasses import replace
from operator import attrgetter

import numpy as np
import pytest
import torch

from pcqtool.errors import TrainingError
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.progress import Progress
from pcqtool.training import feature_cache as module
from pcqtool.training.disk_cache import cache_folder
from pcqtool.training.experiment import Experiment
from pcqtool.training.feature_cache import cache_states, states_fingerprint

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def encoder(tiny_whisper):
    return load_pretrained(tiny_whisper, (0, 2), frozen=True)


def test_what_is_kept_is_what_the_encoder_says(experiment, encoder):
    counted = []
    states = cache_states(encoder, experiment.data, CPU, counted.append)
    n = len(experiment.data.samples)
    assert (states.shape, states.dtype) == ((n, 2, 150, 16), np.float16)
    assert isinstance(states, np.memmap)
    assert counted[0] == Progress(0, n, "segments encoded")
    assert counted[-1] == Progress(n, n, "segments encoded")
    waves = torch.from_numpy(experiment.data.waves(np.arange(n)))
    with torch.no_grad():
        own = torch.stack(encoder.hidden_states(encoder.front_end(waves)), dim=1)
    torch.testing.assert_close(torch.from_numpy(np.array(states)).float(), own, atol=1e-5, rtol=2**-10)


def test_in_bfloat16_it_is_close_and_kept_apart(experiment, encoder, monkeypatch):
    exact = np.asarray(cache_states(encoder, experiment.data, CPU))
    monkeypatch.setattr(module, "is_fast_in_bfloat16", lambda device: True)
    rounded = np.asarray(cache_states(encoder, experiment.data, CPU))
    assert not np.array_equal(rounded, exact)
    assert np.abs(rounded.astype(float) - exact).max() < 0.1
    assert len(list((cache_folder() / "features").iterdir())) == 2


def test_it_is_computed_once(experiment, encoder, monkeypatch):
    first = cache_states(encoder, experiment.data, CPU)
    monkeypatch.setattr(module, "_encode", None)
    assert np.array_equal(cache_states(encoder, experiment.data, CPU), first)
    assert [path.suffix for path in (cache_folder() / "features").iterdir()] == [".npy"]


def test_whatever_decides_the_states_decides_the_fingerprint(experiment, encoder, tiny_whisper):
    data = experiment.data
    samples = data.samples.copy()
    samples[-1, 5] += 1
    changed = load_pretrained(tiny_whisper, (0, 2), frozen=True)
    with torch.no_grad():
        next(iter(changed.model.parameters()))[0] += 1e-3
    found = {
        states_fingerprint(encoder, data),
        states_fingerprint(encoder, replace(data, samples=samples)),
        states_fingerprint(load_pretrained(tiny_whisper, (0, 1), frozen=True), data),
        states_fingerprint(changed, data),
    }
    assert len(found) == 4
    with torch.no_grad():
        encoder.mix += 1.0
    assert states_fingerprint(encoder, data) in found


@pytest.mark.parametrize("mixup", [0.0, 0.3])
def test_training_with_and_without_it_is_the_same_within_rounding(
    utterances, toy_recipe, fold, tiny_whisper, logits_of, mixup
):
    recipe = toy_recipe({"frozen": True, "layers": [0, 2]}, epochs=3, lr=1e-3, mixup=mixup)
    kept = Experiment(utterances, recipe, CPU, encoder=str(tiny_whisper)).prepare()
    plain = Experiment(utterances, replace(recipe, cache=False), CPU, encoder=str(tiny_whisper)).prepare()
    assert kept.data.states is not None
    assert plain.data.states is None
    one, other = kept.train(fold, 1), plain.train(fold, 1)
    for first, second in zip(one.history, other.history, strict=True):
        assert first.loss == pytest.approx(second.loss, rel=0.01)
        assert first.validation_loss == pytest.approx(second.validation_loss, rel=0.01)
    for cached, computed in zip(
        logits_of(one.model, kept.data, fold.test), logits_of(one.model, plain.data, fold.test), strict=True
    ):
        np.testing.assert_allclose(cached, computed, atol=5e-3)


def test_the_encoder_is_not_run_again(utterances, toy_recipe, fold, tiny_whisper, monkeypatch, predict):
    recipe = toy_recipe({"frozen": True}, epochs=1)
    kept = Experiment(utterances, recipe, CPU, encoder=str(tiny_whisper)).prepare()
    monkeypatch.setattr("pcqtool.model.encoders.pretrained.PretrainedEncoder.hidden_states", None)
    trained = kept.train(fold, 1)
    assert predict(kept, trained, fold.test).shape == (9, 3)


def test_a_tuned_encoder_is_not_kept(utterances, toy_recipe, tiny_whisper):
    assert Experiment(utterances, toy_recipe(epochs=1), CPU, encoder=str(tiny_whisper)).prepare().data.states is None
    assert not (cache_folder() / "features").exists()


def test_without_room_or_leave_the_states_are_held_in_memory(experiment, encoder, monkeypatch, tmp_path, caplog):
    kept = cache_states(encoder, experiment.data, CPU)
    with monkeypatch.context() as patch:
        patch.setenv("PCQTOOL_CACHE", str(tmp_path / "full"))
        patch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
        assert np.array_equal(cache_states(encoder, experiment.data, CPU), kept)
    assert "needs 0.0 GB" in caplog.text
    (tmp_path / "file").touch()
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "file"))
    assert np.array_equal(cache_states(encoder, experiment.data, CPU), kept)
    assert "cannot be written" in caplog.text


def test_states_too_large_for_half_precision_are_refused(experiment, encoder):
    with torch.no_grad():
        encoder.model.embed_positions.weight.fill_(1e6)
    with pytest.raises(TrainingError, match="half precision"):
        cache_states(encoder, experiment.data, CPU)
    assert not list((cache_folder() / "features").glob("*"))


def test_processes_share_the_file(experiment, encoder):
    from joblib import Parallel, delayed

    states = cache_states(encoder, experiment.data, CPU)
    # Only a memory map has a file name. The function is one that other processes can import, whatever their path.
    found = Parallel(n_jobs=2, backend="loky")(delayed(attrgetter("filename"))(states) for _ in range(2))
    assert found == [states.filename] * 2
