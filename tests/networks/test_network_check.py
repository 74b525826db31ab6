from __future__ import annotations

import sys

import pytest

from pcqtool.model.encoders import EncoderConfig
from pcqtool.model.pcq import PCQ
from pcqtool.model.registry import network_class
from pcqtool.networks.testing import ConformanceError, check_network
from tests.installed_plugins import TINY, install, tiny_ser  # noqa: F401


def test_pcq_fulfils_the_contract():
    encoder = EncoderConfig("mini", {"dim": 8, "n_blocks": 1}, layers=(0, 1))
    model = check_network(PCQ, mlcnn_channels=(4, 8), classifier_hidden=(8,), encoder=encoder, mask_padding=True)
    assert isinstance(model, PCQ)


@pytest.mark.parametrize("kind", ["tiny", "centres", "frames"])
def test_the_networks_of_the_tests_fulfil_the_contract(tiny_ser, kind):  # noqa: F811
    check_network(network_class(kind))


FRONT_END, OUTPUT = "(self.spectrogram(waves).half(),)", "NetworkOutput(self.out(self.dropout(embedding)), embedding)"
INIT = "super().__init__(config)\n        self.spec"
FAULTS = {
    "trained front end": (FRONT_END, "(self.hidden(self.spectrogram(waves)).detach(),)", "random"),
    "batch": (FRONT_END, "(waves - 100 * waves.mean(),)", "depends on the other segments"),
    "noise": (FRONT_END, "(waves + torch.randn_like(waves),)", "differs when it is computed again"),
    "no tuple": (FRONT_END, "self.spectrogram(waves)", "tuple of tensors"),
    "no output": (OUTPUT, "embedding", "must return a NetworkOutput"),
    "silence": (".mean(dim=1) / 20)", ".mean(dim=1) / inputs[0].std(dim=(1, 2))[:, None])", "not finite"),
    "not stored": (
        "torch.zeros(()))",
        "torch.zeros(()), persistent=False)",
        "a reloaded network predicts something else",
    ),
    "meta": (INIT, INIT.replace("self", "torch.ones(1).item()\n        self", 1), "meta device"),
    "labels": ("n_channels: int = 4", "n_channels: int = 4\n    def __post_init__(self): pass", "same label twice"),
    "channels": ("spectrograms = (0,)", "spectrograms = (1,)", "named in spectrograms"),
    "detached": (OUTPUT, OUTPUT.replace("embedding))", "embedding)).detach()"), "RuntimeError"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(tmp_path, monkeypatch, name):
    old, new, said = FAULTS[name]
    assert old in TINY
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "faulty_ser.py").write_text(TINY.replace(old, new))
    monkeypatch.delitem(sys.modules, "faulty_ser", raising=False)
    from faulty_ser import Tiny

    with pytest.raises(ConformanceError, match="Tiny is not a valid network class") as caught:
        check_network(Tiny)
    monkeypatch.delitem(sys.modules, "faulty_ser")
    assert said in str(caught.value)


def test_a_setting_that_the_cache_would_not_know_is_named(tmp_path, monkeypatch):
    source = TINY.replace("self.spectrogram(waves).half()", "(self.spectrogram(waves) * self.config.n_channels).half()")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "hidden_ser.py").write_text(source)
    from hidden_ser import Tiny

    with pytest.raises(ConformanceError, match="depends on the setting 'n_channels'"):
        check_network(Tiny)
    monkeypatch.delitem(sys.modules, "hidden_ser")


def test_no_class_is_no_network():
    with pytest.raises(ConformanceError, match="it is a str, not a class"):
        check_network("tiny")
