"""Model directories made by a stranger: a ``ModelError`` of a line or two, soon and in little memory."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from pcqtool.errors import ModelError
from pcqtool.model import directory
from pcqtool.model.directory import load, model_sha256, read_config, read_metrics
from pcqtool.model.encoder_search import EncoderSearchPath
from pcqtool.model.network_settings import network_config_from_json
from pcqtool.model.untrusted_files import JSON_LIMIT

SOURCE = {"name": "some/whisper", "sha256": "0" * 64}


def encoder_settings(kind: str, **architecture: Any) -> dict[str, Any]:
    return {"network": {"encoder": {"kind": kind, "architecture": architecture}}}


def change(place: Path, changes: dict[str, Any]) -> None:
    file = place / "config.json"
    entries = json.loads(file.read_text())
    entries["network"] |= changes.get("network", {})
    file.write_text(json.dumps(entries | {name: value for name, value in changes.items() if name != "network"}))


@pytest.fixture
def place(tiny_model: Path, tmp_path: Path) -> Path:
    """A model directory, to be spoilt."""
    return shutil.copytree(tiny_model, tmp_path / "model")


@pytest.mark.parametrize(
    "setting",
    [
        {"attn_implementation": "some/kernel"},
        {"_attn_implementation": "some/kernel"},
        {"_attn_implementation_internal": "some/kernel"},
        {"experts_implementation": "some/kernel"},
        {"auto_map": {"AutoModel": "some/code--model.Model"}},
        {"quantization_config": {"quant_method": "bitsandbytes"}},
        {"torchscript": True},
        {"_name_or_path": "some/model"},
        {"sub_configs": {"text_config": {}}},
        {"text_config": {"attn_implementation": "some/kernel"}},
        {"attn_implementation\n": "x"},
        {"": 1},
        {"hidden_act": "xielu"},
        {"hidden_act": {"name": "gelu"}},
        {"feat_extract_activation": "os.system"},
        {"feat_extract_norm": "none"},
        {"hidden_size": True},
        {"hidden_size": 32.0},
        {"hidden_size": "32"},
        {"hidden_size": {"attn_implementation": "x"}},
        {"hidden_dropout": float("nan")},
        {"hidden_dropout": 10**400},
        {"layer_norm_eps": 0},
        {"conv_dim": [8, {"x": 1}, 8]},
        {"conv_dim": "888"},
        {"do_stable_layer_norm": "no"},
        {"standardised_input": "no"},
        {"model_type": "whisper"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["wavlm", "wav2vec2", "hubert"])
def test_only_known_settings_reach_transformers(
    place: Path, monkeypatch: pytest.MonkeyPatch, kind: str, setting: dict[str, Any]
) -> None:
    monkeypatch.setattr("transformers.AutoModel.from_config", lambda *_, **__: pytest.fail("reached transformers"))
    change(place, encoder_settings(kind, **setting))
    with pytest.raises(ModelError) as caught:
        load(place)
    [name] = setting
    assert repr(name) in str(caught.value) or f"{name} must be" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", ["wavlm", "wav2vec2", "hubert", "whisper"])
def test_settings_that_do_not_affect_an_encoder_are_ignored(kind: str) -> None:
    """Whatever transformers writes of its own configurations, but for where they come from, is known."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    from pcqtool.model.encoders.allowed_settings import RULES, check_architecture

    settings = CONFIG_MAPPING[kind]()
    every = {name: value for name, value in settings.to_dict().items() if name != "_name_or_path"}
    allowed = check_architecture(kind, every)
    assert allowed.keys() == RULES[kind].keys()
    again = CONFIG_MAPPING[kind](**allowed)
    assert {name: getattr(again, name) for name in RULES[kind]} == {name: every[name] for name in RULES[kind]}
    assert check_architecture(kind, settings.to_diff_dict()).items() <= allowed.items()


TEXTS: dict[str, tuple[bytes, bytes, str]] = {
    "endless temperature": (b'"temperature": 1.0', b'"temperature": 1' + b"0" * 400, "temperature must be"),
    "temperature of so many digits": (b'"temperature": 1.0', b'"temperature": 1' + b"0" * 5000, "not a valid"),
    "NaN": (b'"temperature": 1.0', b'"temperature": NaN', "temperature must be"),
    "true": (b'"temperature": 1.0', b'"temperature": true', "temperature must be"),
    "next to nothing": (b'"temperature": 1.0', b'"temperature": 1e-320', "temperature must be"),
    "endless mean": (b'"mean_db": -50.0', b'"mean_db": 1' + b"0" * 400, "mean_db must be"),
    "large mean": (b'"mean_db": -50.0', b'"mean_db": 1' + b"0" * 30, "mean_db must be"),
    "true deviation": (b'"sd_db": 20.0', b'"sd_db": true', "sd_db must be"),
    "endless dropout": (b'"dropout": 0.1', b'"dropout": 1' + b"0" * 400, "dropout must be"),
    "half a character as a label": (b'"anger"', b'"\\ud800"', "not valid Unicode"),
    "half a character as the name": (b'"tiny"', b'"\\udfff"', "not valid Unicode"),
    "half a character in what it learnt": (b'"nothing at all"', b'"\\ud800"', "not valid Unicode"),
    "half a character deep down": (b'"provenance": {}', b'"provenance": {"a": ["\\ud800"]}', "not valid Unicode"),
    "a new line in a label": (b'"anger"', b'"a\\nok"', "a label must be text of one line"),
    "an escape in a label": (b'"anger"', b'"a\\u001b[31m"', "a label must be text of one line"),
    "a deleted label": (b'"anger"', b'"a\\u007f"', "a label must be text of one line"),
    "a long label": (b'"anger"', b'"' + b"a" * 10_000 + b'"', "a label must be text of one line"),
    "a new line in the name": (b'"tiny"', b'"a\\nok"', "name must be text of one line"),
    "a separator in what it learnt": (b'"nothing at all"', b'"a\\u2028b"', "trained_on must be text of one line"),
    "deep": (b'"provenance": {}', b'"provenance": {"a": ' + b"[" * 500 + b"]" * 500 + b"}", "nested too deeply"),
    "too deep to be read": (b'"provenance": {}', b'"provenance": ' + b'{"a":' * 100_000, "nested too deeply"),
    "long keys": (b'"provenance"', b'"' + b"p" * 10_000 + b'"', "unknown entries"),
    "true format": (b'"format": 1', b'"format": true', "format True is not known"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_odd_values_are_refused_in_one_line(place: Path, name: str) -> None:
    old, new, word = TEXTS[name]
    file = place / "config.json"
    content = file.read_bytes()
    assert content.count(old) == 1
    file.write_bytes(content.replace(old, new))
    with pytest.raises(ModelError, match=word) as caught:
        load(place)
    assert len(str(caught.value).splitlines()) <= 2
    assert len(str(caught.value)) < 1000
    str(caught.value).encode()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a/b/c", "~/x", "-x", "a;rm -rf x", "a\nb", "$(x)", "..", "a" * 300]
)
def test_an_encoders_name_cannot_be_a_path_or_a_command(place: Path, name: str) -> None:
    change(place, {"encoder_source": SOURCE | {"name": name}})
    with pytest.raises(ModelError, match="name of encoder_source must be NAME or OWNER/NAME"):
        read_config(place)


def grow(file: Path) -> None:
    with file.open("ab") as opened:
        opened.truncate(500 * 2**20)


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def device(file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero")


def loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


FILES: dict[str, Callable[[Path], None]] = {"pipe": pipe, "device": device, "loop": loop}


@pytest.mark.parametrize("way", FILES)
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_only_regular_files_are_read(place: Path, name: str, way: str) -> None:
    FILES[way](place / name)
    for reads in (load, model_sha256):
        with pytest.raises(ModelError, match=rf"cannot read .*{name}"):
            reads(place)


def test_a_configuration_of_hundreds_of_megabytes_is_not_read(place: Path) -> None:
    grow(place / "config.json")
    with pytest.raises(ModelError, match=f"more than {JSON_LIMIT} bytes"):
        read_config(place)


@pytest.mark.parametrize("spoil", [*FILES.values(), grow, lambda file: file.write_text("[" * 10**5)])
def test_scores_are_read_with_the_same_care(place: Path, spoil: Callable[[Path], None]) -> None:
    spoil(place / "metrics.json")
    with pytest.raises(ModelError, match=r"cannot read .*metrics\.json"):
        read_metrics(place)


def test_links_to_files_are_followed(place: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (place / name).rename(tmp_path / name)
        (place / name).symlink_to(tmp_path / name)
    load(place)


def header(entries: dict[str, Any]) -> bytes:
    content = json.dumps(entries).encode()
    return len(content).to_bytes(8, "little") + content


HEADERS = {
    "longer than the file": (2**62).to_bytes(8, "little") + b"{}",
    "long": (90 * 2**20).to_bytes(8, "little") + b" " * 100,
    "absurd sizes": header({"x": {"dtype": "F16", "shape": [10**9, 10**9], "data_offsets": [0, 2 * 10**18]}}),
    "sizes beyond 64 bits": header({"x": {"dtype": "F16", "shape": [10**30], "data_offsets": [0, 10**30]}}),
    "sizes that overflow": header({"x": {"dtype": "F16", "shape": [2**32, 2**32], "data_offsets": [0, 0]}}),
    "a strange name": header({"\x1b[31m\n": {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]}}),
}


@pytest.mark.parametrize("name", HEADERS)
def test_absurd_headers_are_refused(place: Path, name: str) -> None:
    (place / "model.safetensors").write_bytes(HEADERS[name])
    with pytest.raises(ModelError, match=r"model\.safetensors (is damaged|does not fit)") as caught:
        load(place)
    assert len(str(caught.value).splitlines()) <= 2


def test_weights_of_other_types_are_refused(place: Path) -> None:
    import torch
    from safetensors.torch import load_file

    file = place / "model.safetensors"
    weights = load_file(file)
    name = "classifier.1.weight"
    for dtype in (torch.int64, torch.bool, torch.float8_e4m3fn):
        save_file(weights | {name: weights[name].to(dtype)}, file)
        with pytest.raises(ModelError, match=f"{name} contains .* instead of floating-point numbers"):
            load(place)


def test_an_external_encoder_is_found_before_memory_is_allocated(
    external_model: Path, tiny_whisper: Path, tmp_path: Path
) -> None:
    place = shutil.copytree(external_model, tmp_path / "model")
    entries = json.loads((place / "config.json").read_text())
    entries["network"]["encoder"]["architecture"]["encoder_ffn_dim"] = 65536
    (place / "config.json").write_text(json.dumps(entries))
    with pytest.raises(ModelError, match=r"fc1.* is F32 of shape"):
        load(place, EncoderSearchPath((tiny_whisper,)))


def test_every_bundled_model_keeps_the_rules() -> None:
    for place in directory.bundled_models():
        network_config_from_json(read_config(place))
