from __future__ import annotations

import pytest
import torch

from pcqtool.errors import SettingsError
from pcqtool.model.device import choose_device, choose_devices, default_batch_size


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
def test_a_missing_device_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    machine(monkeypatch, 0, False)
    with pytest.raises(SettingsError, match=f"this machine has no device '{name}'") as caught:
        choose_device(name)
    assert "doctor" in caught.value.hint


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cuda:-1", "CPU"])
def test_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="unknown device") as caught:
        choose_device(name)
    assert "auto, cpu, cuda, cuda:1 or mps" in caught.value.hint


def test_several_gpus_are_named_one_by_one_or_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 3, False)
    assert choose_devices("cuda:2,cuda") == [torch.device("cuda", 2), torch.device("cuda")]
    assert choose_devices("cuda:all") == [torch.device("cuda", number) for number in range(3)]
    assert choose_devices() == [torch.device("cuda")]
    assert choose_devices("cpu") == [torch.device("cpu")]


@pytest.mark.parametrize("names", ["cuda:0,cuda:0", "cuda,cuda:0", "cuda:0,cpu", "cpu,cpu", "cuda:0,auto"])
def test_several_devices_must_be_different_gpus(monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    machine(monkeypatch, 2, False)
    with pytest.raises(SettingsError, match="does not name different GPUs") as caught:
        choose_devices(names)
    assert "cuda:all" in caught.value.hint


@pytest.mark.parametrize("names", ["cuda:all", "cuda:0,cuda:1"])
def test_missing_gpus_are_refused(monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    machine(monkeypatch, 0, False)
    with pytest.raises(SettingsError, match="no device 'cuda:0'"):
        choose_devices(names)


def test_a_gpu_takes_larger_batches() -> None:
    assert default_batch_size(torch.device("cuda", 1)) > default_batch_size(torch.device("cpu")) == 32
