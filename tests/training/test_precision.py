from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from pcqtool.errors import SettingsError
from pcqtool.model.encoders import EncoderConfig
from pcqtool.training import precision as module
from pcqtool.training.precision import choose_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Model:
    def __init__(self, kind="wavlm", frozen=False):
        config = EncoderConfig(kind, frozen=frozen)
        self.encoder = SimpleNamespace(config=config, is_pretrained=kind != "mini") if kind != "none" else None


@pytest.fixture
def fast(monkeypatch):
    """Say what the machine is fast at."""

    def say(cpu=True, gpu=True):
        monkeypatch.setattr(module, "cpu_is_fast_in_bfloat16", lambda: cpu)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: gpu)

    return say


def test_auto_is_half_precision_where_an_encoder_is_tuned_and_the_device_is_fast(fast):
    fast()
    assert choose_precision("auto", CPU, Model()) == choose_precision("auto", CUDA, Model()) == torch.bfloat16
    fast(cpu=False, gpu=False)
    assert choose_precision("auto", CPU, Model()) == torch.float32
    assert choose_precision("auto", CUDA, Model()) == torch.float16


@pytest.mark.parametrize("model", [Model("none"), Model("mini"), Model(frozen=True)])
def test_auto_is_float32_where_there_is_little_to_gain(fast, model):
    fast()
    assert choose_precision("auto", CPU, model) == choose_precision("auto", CUDA, model) == torch.float32


def test_what_is_asked_for_is_done(fast):
    fast()
    assert choose_precision("float32", CUDA, Model()) == torch.float32
    assert choose_precision("bfloat16", CPU, Model("none")) == torch.bfloat16
    with pytest.raises(SettingsError, match="for GPUs"):
        choose_precision("float16", CPU, Model())


def test_this_processor_answers():
    assert module.cpu_is_fast_in_bfloat16() in (True, False)


@pytest.mark.parametrize(("capability", "fast"), [("AVX512", True), ("AVX2", False), ("DEFAULT", False)])
def test_a_processor_is_as_fast_as_torch_lets_it_be(monkeypatch, capability, fast):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert module.cpu_is_fast_in_bfloat16() is fast
