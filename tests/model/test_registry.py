from __future__ import annotations

import sys

import pytest

from pcqtool.errors import ModelError
from pcqtool.model.config import PluginRef
from pcqtool.model.encoders import EncoderConfig, build
from pcqtool.model.pcq import PCQ
from pcqtool.model.registry import ENCODERS, NETWORKS, installed_plugins, network_class
from tests.installed_plugins import NETWORKS as NETWORK_POINTS
from tests.installed_plugins import TINY, install, tiny_ser  # noqa: F401

HEAD = """
from dataclasses import dataclass
from pcqtool.networks import Network, NetworkConfig, NetworkOutput

@dataclass(frozen=True)
class Config(NetworkConfig):
    width: int = 3

class Good(Network[Config]):
    config_class = Config
    def front_end(self, waves, n_samples): return (waves,)
    def classify(self, inputs, valid_fraction): raise NotImplementedError
"""
BROKEN = {
    "raises": ("raise RuntimeError('no licence key')", "RuntimeError: no licence key"),
    "exits": ("import os; os._exit(3)", "ends the process that imports it, with exit code 3"),
    "text": ("Good = 'a network'", "it is a str, not a class"),
    "other": ("class Good: pass", "Good does not derive from pcqtool.networks.Network"),
    "half": (HEAD.replace("def classify", "def classified"), "Good lacks classify"),
    "config": (HEAD.replace("config_class = Config", "config_class = dict"), "Good.config_class must be a dataclass"),
    "plain": (HEAD.replace("@dataclass(frozen=True)", ""), "Config is not a dataclass"),
    "thawed": (HEAD.replace("@dataclass(frozen=True)", "@dataclass"), "TypeError: cannot inherit non-frozen dataclass"),
    "bare": (HEAD.replace("width: int = 3", "width: int"), "Config.width has no default"),
    "typed": (HEAD.replace("width: int = 3", "width: dict = 3"), "Config.width has a type that a recipe cannot set"),
    "taken": (HEAD.replace("width: int", "kind: str"), "Config.kind: the name has another meaning"),
    "cache": (
        HEAD.replace("def front", "front_end_settings = ('widht',)\n    def front"),
        "front_end_settings names 'widht'",
    ),
}


def test_broken_networks_are_named_and_the_others_work(install):  # noqa: F811
    install("tiny-ser", {"pcqtool.networks": NETWORK_POINTS}, TINY)
    for name, (source, _) in BROKEN.items():
        install(f"{name}-plugin", {"pcqtool.networks": {name: f"{name}_plugin:Good"}}, source)
    install("twin-plugin", {"pcqtool.networks": {"centres": "twin_plugin:Good"}}, HEAD)
    found = {(each.name, each.distribution): each for each in NETWORKS.checked()}
    for name, (_, said) in BROKEN.items():
        assert said in (found[name, f"{name}-plugin"].error or ""), name
    assert "also registered by twin_plugin:Good of twin-plugin" in found["centres", "tiny-ser"].error
    assert found["tiny", "tiny-ser"].error is None
    assert found["pcq", "pcqtool"].built_in
    assert "raises_plugin" not in sys.modules


def test_a_network_is_found_by_its_kind(tiny_ser):  # noqa: F811
    assert network_class() is PCQ
    assert network_class("tiny").__name__ == "Tiny"
    with pytest.raises(ModelError, match="unknown network 'tinny'; did you mean 'tiny'"):
        network_class("tinny")


def test_a_plugin_that_calls_itself_pcq_is_not_used(install):  # noqa: F811
    install("rude-plugin", {"pcqtool.networks": {"pcq": "rude_plugin:Good"}}, HEAD)
    assert network_class("pcq") is PCQ
    assert installed_plugins({"kind": "pcq"}) == ()


def test_an_encoder_is_found_by_its_kind(tiny_ser):  # noqa: F811
    encoder = build(EncoderConfig("cuts", {"dim": 6}, layers=(0, 1), concat_layers=True))
    assert type(encoder).__name__ == "Cuts"
    assert encoder.width == 12
    with pytest.raises(ModelError, match="unknown encoder 'cutz'; did you mean 'cuts'"):
        EncoderConfig("cutz")
    found = {each.name: each.error for each in ENCODERS.checked()}
    assert {"cuts", "mini", "whisper"} <= found.keys()
    assert set(found.values()) == {None}


def test_plugins_of_settings_are_named_without_loading_them(tiny_ser):  # noqa: F811
    assert installed_plugins({"n_channels": 3}) == ()
    assert installed_plugins({"encoder": {"kind": "mini"}}) == ()
    tiny = PluginRef("pcqtool.networks", "frames", "tiny-ser", "1.0")
    cuts = PluginRef("pcqtool.encoders", "cuts", "tiny-ser", "1.0")
    assert installed_plugins({"kind": "frames", "encoder": {"kind": "cuts"}}) == (tiny, cuts)
    assert str(tiny) == "tiny-ser==1.0"
    assert "tiny_ser" not in sys.modules
    assert "class Tiny" in TINY
