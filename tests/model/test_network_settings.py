from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from pcqtool.audio.spectrogram import SpectrogramSettings
from pcqtool.errors import ModelError
from pcqtool.model.config import ModelConfig
from pcqtool.model.encoders import EncoderConfig
from pcqtool.model.network import NetworkConfig
from pcqtool.model.network_settings import (
    hint_text,
    network_config_from_json,
    network_config_to_json,
    parse_settings,
)
from pcqtool.model.pcq import PCQConfig

LABELS = ("anger", "neutral")


@dataclass(frozen=True)
class Varied(NetworkConfig):
    number: int = 1
    share: float = 0.5
    flag: bool = False
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[int, str] = (1, "a")
    maybe: int | None = None
    mode: Literal["mean", "max"] = "mean"
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    spectrogram: SpectrogramSettings = field(default_factory=SpectrogramSettings)


def parse(**table: Any) -> Varied:
    return parse_settings(Varied, table, labels=LABELS)


def test_settings_survive_json():
    config = parse(number=3, sizes=[4, 5, 6], pair=[2, "b"], maybe=7, mode="max", encoder={"kind": "mini"})
    assert config.sizes == (4, 5, 6)
    entries = network_config_to_json(config, "varied")
    assert entries.pop("kind") == "varied"
    assert parse(**json.loads(json.dumps(entries))) == config
    assert parse(share=1).share == 1
    assert parse(maybe=None).maybe is None


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"numbers": 1}, "unknown setting 'numbers'; did you mean 'number'"),
        ({"labels": ["a"]}, "unknown setting 'labels'"),
        ({"number": 1.5}, "number must be a whole number, not 1.5"),
        ({"number": True}, "number must be a whole number, not True"),
        ({"share": "half"}, "share must be a number, not 'half'"),
        ({"flag": 1}, "flag must be true or false, not 1"),
        ({"sizes": 3}, "sizes must be a list, each a whole number, not 3"),
        ({"sizes": [1, "b"]}, "sizes must be a list, each a whole number"),
        ({"pair": [1]}, "pair must be a list of 2 values"),
        ({"maybe": "x"}, "maybe must be a whole number or nothing, not 'x'"),
        ({"mode": "median"}, "mode must be one of mean, max, not 'median'"),
        ({"spectrogram": {"hop": 1}}, "hop must be a whole number from 40"),
        ({"spectrogram": 3}, "3 is not a table of settings"),
    ],
    ids=str,
)
def test_wrong_settings_are_named(table, said):
    with pytest.raises((TypeError, ValueError)) as caught:
        parse(**table)
    assert said in str(caught.value)


def test_types_that_a_recipe_cannot_set_have_no_text():
    assert hint_text(dict) is hint_text(tuple[set, ...]) is None
    assert hint_text(float | None) == "a number or nothing"


def test_pcq_is_the_kind_of_settings_without_one():
    config = ModelConfig("m", LABELS, {"mlcnn_channels": [4, 8]})
    parsed = network_config_from_json(config)
    assert isinstance(parsed, PCQConfig)
    assert "kind" not in network_config_to_json(parsed)
    named = ModelConfig("m", LABELS, {"kind": "pcq", "mlcnn_channels": [4, 8]})
    assert network_config_from_json(named) == parsed
    with pytest.raises(ModelError, match="must be text"):
        network_config_from_json(ModelConfig("m", LABELS, {"kind": 3}))


def test_labels_are_checked_for_every_network():
    with pytest.raises(ModelError, match="two or more different labels"):
        Varied(("anger",))
    assert Varied(LABELS).profile_s == 0.0
    assert NetworkConfig(LABELS).encoder.kind == "none"
