"""Model directories of a plugin's network: what they name, and what is missing where it is not installed."""

from __future__ import annotations

import json
import logging
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
import torch

from pcqtool.errors import ModelError
from pcqtool.labelling.settings import LabelSettings
from pcqtool.model.config import PluginRef, read_config
from pcqtool.model.directory import ModelConfig, load, save
from pcqtool.model.network_settings import network_config_to_json
from pcqtool.model.plugin_versions import plugins_in_use
from pcqtool.model.predictor import Predictor
from pcqtool.model.registry import installed_plugins, network_class
from tests.installed_plugins import install, tiny_ser  # noqa: F401

LABELS = ("anger", "neutral", "sadness")


@pytest.fixture
def model(tiny_ser, tmp_path: Path):  # noqa: F811
    """A stored model of the network tiny, and the network."""
    network_type = network_class("tiny")
    torch.manual_seed(0)
    network = network_type(network_type.config_class(LABELS, n_channels=3)).eval()
    network.mean.fill_(-41.23456789)
    network.half().float()
    settings = network_config_to_json(network.config, "tiny")
    config = ModelConfig("m", LABELS, settings, plugins=installed_plugins(settings))
    save(tmp_path / "m", config, network, {}, "")
    return tmp_path / "m", network


def test_a_directory_names_the_plugin_and_predicts_the_same(model):
    path, network = model
    entries = json.loads((path / "config.json").read_text())
    assert entries["network"]["kind"] == "tiny"
    assert entries["plugins"] == [
        {"group": "pcqtool.networks", "name": "tiny", "distribution": "tiny-ser", "version": "1.0"}
    ]
    loaded, config = load(path)
    assert config == read_config(path)
    assert loaded.mean == network.mean  # a buffer is stored exactly
    waves = 0.1 * torch.randn(2, 48000)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(waves).logits, network(waves).logits, atol=1e-3, rtol=1e-3)
    predictor = Predictor(path, "cpu")
    assert predictor.profile_s == 0
    assert predictor.log_probs(waves.numpy(), np.array([48000, 900])).shape == (2, 3)


def test_results_name_the_installed_version(model, tiny_ser):  # noqa: F811
    path, _ = model
    config = read_config(path)
    before = LabelSettings().provenance(config, "0")
    assert before.settings["plugins"] == plugins_in_use(config) == ["tiny-ser==1.0"]
    tiny_ser("2.0")
    after = LabelSettings().provenance(config, "0")
    assert after.settings["plugins"] == ["tiny-ser==2.0"]
    assert after.fingerprint != before.fingerprint


def test_another_version_is_a_warning_that_names_both(model, tiny_ser, caplog):  # noqa: F811
    path, _ = model
    tiny_ser("2.0")
    with caplog.at_level(logging.WARNING):
        load(path)
    assert "was made with tiny-ser 1.0, and 2.0 is installed" in caplog.text


def test_a_missing_plugin_is_an_error_with_the_command_that_installs_it(model):
    path, _ = model
    (Path(str(distribution("tiny-ser").locate_file(""))) / "tiny_ser-1.0.dist-info" / "entry_points.txt").unlink()
    with pytest.raises(ModelError) as caught:
        load(path)
    assert caught.value.what == "model m needs the network 'tiny' of tiny-ser 1.0, which is not installed"
    assert caught.value.hint == "pip install tiny-ser==1.0"


def test_a_network_of_the_same_name_from_elsewhere_is_not_used(model):
    path, _ = model
    entries = json.loads((path / "config.json").read_text())
    entries["plugins"][0]["distribution"] = "another-ser"
    (path / "config.json").write_text(json.dumps(entries))
    with pytest.raises(ModelError, match="'tiny' of another-ser"):
        load(path)


@pytest.mark.parametrize(
    "plugin",
    [
        {"group": "pcqtool.networks", "name": "tiny", "distribution": "x; rm -rf /", "version": "1.0"},
        {"group": "pcqtool.networks", "name": "tiny", "distribution": "--index-url", "version": "1.0"},
        {"group": "pcqtool.networks", "name": "tiny", "distribution": "x"},
        {"group": "pcqtool.networks", "name": "tiny", "distribution": "x", "version": 1},
        "tiny",
    ],
    ids=str,
)
def test_references_are_names_that_a_shell_can_be_given(model, plugin):
    path, _ = model
    entries = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(entries | {"plugins": [plugin]}))
    with pytest.raises(ModelError, match="not a valid model configuration"):
        read_config(path)


def test_models_without_plugins_are_written_as_before(tiny_model):
    config = read_config(tiny_model)
    assert config.plugins == ()
    assert "plugins" not in config.to_json()
    assert PluginRef("g", "n", "d", "1").version == "1"
