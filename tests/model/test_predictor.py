from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pcqtool.errors import ModelError, SettingsError
from pcqtool.model.directory import ModelConfig, describe, load, save, sha256
from pcqtool.model.pcq import PCQ
from pcqtool.model.predictor import Predictor, choose_device


@pytest.fixture
def place(network: Callable[..., PCQ], tmp_path: Path) -> Path:
    model = network("mini", channels=(8, 12))
    model.classifier[-1].weight.data.mul_(30)
    config = ModelConfig("small", model.config.labels, describe(model.config), temperature=2.5)
    save(tmp_path / "small", config, model, {}, "")
    return tmp_path / "small"


def test_log_probabilities_are_calibrated(place: Path, waves: Tensor) -> None:
    predictor = Predictor(place, "cpu")
    log_probs = predictor.log_probs(waves.numpy())
    model, _ = load(place)
    with torch.inference_mode():
        logits = model(waves).logits.double().numpy()
    assert log_probs.shape == (8, 4)
    assert log_probs.dtype == np.float64
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1.0, rtol=1e-12)
    differences = log_probs - log_probs[:, :1]
    np.testing.assert_allclose(differences, (logits - logits[:, :1]) / 2.5, rtol=1e-9, atol=1e-12)
    assert np.abs(differences).max() > 0.1


def test_padding_is_told_from_the_recording(network: Callable[..., PCQ], waves: Tensor, tmp_path: Path) -> None:
    model = network("mini", channels=(8, 12), mask_padding=True)
    save(tmp_path, ModelConfig("small", model.config.labels, describe(model.config)), model, {}, "")
    predictor, n_samples = Predictor(tmp_path, "cpu"), np.array([48000] * 5 + [30000, 9000, 37])
    log_probs = predictor.log_probs(waves.numpy(), n_samples)
    with torch.inference_mode():
        expected = predictor.model(waves, torch.from_numpy(n_samples)).logits.double().log_softmax(dim=1)
    np.testing.assert_allclose(log_probs, expected, atol=1e-9)
    assert np.abs(log_probs - predictor.log_probs(waves.numpy()))[5:].max() > 1e-3


def test_it_knows_which_model_it_is(place: Path) -> None:
    predictor = Predictor(place, "cpu")
    assert (predictor.config.name, predictor.sha256) == ("small", sha256(place))
    assert predictor.device == torch.device("cpu")


def test_output_that_is_no_number_is_an_error(place: Path, waves: Tensor) -> None:
    predictor = Predictor(place, "cpu")
    with torch.no_grad():
        predictor.model.classifier[-1].bias[1] = torch.nan
    with pytest.raises(ModelError, match="model small gave an output that is not finite"):
        predictor.log_probs(waves.numpy())


def test_temperature_keeps_the_order(place: Path, waves: Tensor) -> None:
    predictor = Predictor(place, "cpu")
    mild = predictor.log_probs(waves.numpy())
    predictor.config = replace(predictor.config, temperature=0.5)
    sharp = predictor.log_probs(waves.numpy())
    assert (sharp.argmax(axis=1) == mild.argmax(axis=1)).all()
    assert (sharp.max(axis=1) > mild.max(axis=1)).all()


def machine(monkeypatch: pytest.MonkeyPatch, n_cuda: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(("n_cuda", "mps", "chosen"), [(2, False, "cuda"), (0, True, "mps"), (0, False, "cpu")])
def test_auto_takes_a_gpu_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, n_cuda: int, mps: bool, chosen: str
) -> None:
    machine(monkeypatch, n_cuda, mps)
    assert choose_device() == choose_device("auto") == choose_device(chosen) == torch.device(chosen)


def test_named_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 2, False)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(SettingsError, match="no device 'cuda:2'"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "meta", "xpu"])
def test_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    machine(monkeypatch, 0, False)
    with pytest.raises(SettingsError, match=f"this machine has no device '{name}'") as caught:
        choose_device(name)
    assert "doctor" in caught.value.hint


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cuda:-1", "CPU"])
def test_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="unknown device") as caught:
        choose_device(name)
    assert "auto, cpu, cuda, cuda:1 or mps" in caught.value.hint
