"""Model directories made by a stranger: a ``ModelError`` of a line or two, soon and in little memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from pcqtool.errors import ModelError
from pcqtool.model import directory
from pcqtool.model.directory import load, read_config, read_metrics, sha256
from pcqtool.model.files import JSON_LIMIT
from pcqtool.model.places import Places

MEASURE = """
import json, resource, sys
from pathlib import Path
from pcqtool.errors import PcqtoolError
from pcqtool.model.directory import load
from pcqtool.model.places import Places

def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

good, *bad = map(Path, sys.argv[1:])
import transformers.models.wavlm.modeling_wavlm, transformers.models.whisper.modeling_whisper
load(good)
for place in bad:
    before = peak_mb()
    try:
        load(place, Places(()))
        said = "loaded"
    except PcqtoolError as error:
        said = str(error)
    print(json.dumps({"name": place.name, "said": said, "grown_mb": peak_mb() - before}))
"""
WIDE = {"hidden_size": 8192, "num_hidden_layers": 128, "intermediate_size": 65536, "num_attention_heads": 64}
LARGE_WHISPER = {"d_model": 8192, "encoder_layers": 128, "encoder_attention_heads": 64, "encoder_ffn_dim": 65536}
SOURCE = {"name": "some/whisper", "sha256": "0" * 64}


def stock(kind: str, **architecture: Any) -> dict[str, Any]:
    return {"network": {"encoder": {"kind": kind, "architecture": architecture}}}


def mini(**architecture: Any) -> dict[str, Any]:
    return stock("mini", **architecture)


SIZES: dict[str, tuple[dict[str, Any], str]] = {
    "hidden-40000": (stock("wavlm", hidden_size=40_000, intermediate_size=40_000), "hidden_size must be"),
    "as-large-as-may-be": (stock("wavlm", **WIDE), "does not fit its config.json"),
    "large-whisper": (stock("whisper", **LARGE_WHISPER), "does not fit its config.json"),
    "large-frozen-whisper-elsewhere": (
        {
            "network": {"encoder": {"kind": "whisper", "architecture": LARGE_WHISPER, "frozen": True}, "csq": False},
            "encoder_source": SOURCE,
        },
        "does not fit its config.json",
    ),
    "many-layers": (stock("hubert", num_hidden_layers=10**9), "num_hidden_layers must be"),
    "many-whisper-layers": (stock("whisper", encoder_layers=10**9), "encoder_layers must be"),
    "long-positions": (stock("wav2vec2", num_conv_pos_embeddings=10**9), "num_conv_pos_embeddings must be"),
    "many-buckets": (stock("wavlm", num_buckets=10**9, max_bucket_distance=10**9), "num_buckets must be"),
    "many-bins": (stock("whisper", num_mel_bins=10**9), "num_mel_bins must be"),
    "frame-a-sample": (stock("wavlm", conv_stride=[1] * 7), "frames a second"),
    "long-kernels": (stock("wavlm", conv_kernel=[1000] * 7), "frames a second"),
    "large-mini": (mini(dim=4096, n_blocks=64, expansion=32), "does not fit its config.json"),
    "huge-mini": (mini(dim=10**6), "dim must be"),
    "many-blocks": (mini(n_blocks=10**9), "n_blocks must be"),
    "many-bands": (mini(n_mels=10**9), "n_mels must be"),
    "wide-classifier": ({"network": {"hidden": [65536, 65536]}}, "does not fit its config.json"),
    "wider-classifier": ({"network": {"hidden": [40_000_000]}}, "hidden must be"),
    "many-channels": ({"network": {"channels": [4096] * 4, "strides": [2] * 4}}, "does not fit its config.json"),
    "long-transform": ({"network": {"spectrogram": {"n_fft": 10**9}}}, "n_fft must be"),
    "short-hop": ({"network": {"spectrogram": {"hop": 1}}}, "hop must be"),
    "many-labels": ({"labels": [str(number) for number in range(10**5)]}, "labels must be 1000 at most"),
}


def change(place: Path, changes: dict[str, Any]) -> None:
    file = place / "config.json"
    entries = json.loads(file.read_text())
    entries["network"] |= changes.get("network", {})
    file.write_text(json.dumps(entries | {name: value for name, value in changes.items() if name != "network"}))


@pytest.fixture
def place(tiny_model: Path, tmp_path: Path) -> Path:
    """A model directory, to be spoilt."""
    return shutil.copytree(tiny_model, tmp_path / "model")


@pytest.fixture(scope="module")
def measured(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What loading each of ``SIZES`` said, and by how many megabytes the peak of memory rose."""
    root = tmp_path_factory.mktemp("sizes")
    for name, (changes, _) in SIZES.items():
        change(shutil.copytree(tiny_model, root / name), changes)
    places = [str(root / name) for name in SIZES]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tiny_model), *places], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {entry["name"]: entry for entry in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", SIZES)
def test_no_memory_is_taken_for_what_the_weights_are_not(measured: dict[str, dict[str, Any]], name: str) -> None:
    said = measured[name]["said"]
    assert SIZES[name][1] in said
    assert name in said
    assert len(said.splitlines()) <= 2
    assert len(said) < 1000
    assert measured[name]["grown_mb"] < 200


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
    change(place, stock(kind, **setting))
    with pytest.raises(ModelError) as caught:
        load(place)
    [name] = setting
    assert repr(name) in str(caught.value) or f"{name} must be" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", ["wavlm", "wav2vec2", "hubert", "whisper"])
def test_what_does_not_matter_to_an_encoder_is_passed_over(kind: str) -> None:
    """Whatever transformers writes of its own configurations, but for where they come from, is known."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    from pcqtool.model.encoders.architecture import RULES, check_architecture

    settings = CONFIG_MAPPING[kind]()
    every = {name: value for name, value in settings.to_dict().items() if name != "_name_or_path"}
    told = check_architecture(kind, every)
    assert told.keys() == RULES[kind].keys()
    again = CONFIG_MAPPING[kind](**told)
    assert {name: getattr(again, name) for name in RULES[kind]} == {name: every[name] for name in RULES[kind]}
    assert check_architecture(kind, settings.to_diff_dict()).items() <= told.items()


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
    "half a character as a label": (b'"anger"', b'"\\ud800"', "no Unicode text"),
    "half a character as the name": (b'"tiny"', b'"\\udfff"', "no Unicode text"),
    "half a character in what it learnt": (b'"nothing at all"', b'"\\ud800"', "no Unicode text"),
    "half a character deep down": (b'"provenance": {}', b'"provenance": {"a": ["\\ud800"]}', "no Unicode text"),
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
def test_odd_values_are_refused_in_a_line(place: Path, name: str) -> None:
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
def test_the_name_of_an_encoder_is_no_path_and_no_command(place: Path, name: str) -> None:
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
def test_what_is_no_file_is_refused_at_once(place: Path, name: str, way: str) -> None:
    FILES[way](place / name)
    for reads in (load, sha256):
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


def test_weights_that_are_no_numbers_are_refused(place: Path) -> None:
    import torch
    from safetensors.torch import load_file

    file = place / "model.safetensors"
    weights = load_file(file)
    name = "classifier.1.weight"
    for dtype in (torch.int64, torch.bool, torch.float8_e4m3fn):
        save_file(weights | {name: weights[name].to(dtype)}, file)
        with pytest.raises(ModelError, match=f"{name} holds .*, no floating-point numbers"):
            load(place)


def test_an_encoder_that_is_named_is_looked_for_before_memory_is_taken(
    borrowing_model: Path, tiny_whisper: Path, tmp_path: Path
) -> None:
    place = shutil.copytree(borrowing_model, tmp_path / "model")
    entries = json.loads((place / "config.json").read_text())
    entries["network"]["encoder"]["architecture"]["encoder_ffn_dim"] = 65536
    (place / "config.json").write_text(json.dumps(entries))
    with pytest.raises(ModelError, match=r"fc1.* is F32 of shape"):
        load(place, Places((tiny_whisper,)))


def test_every_bundled_model_keeps_the_rules() -> None:
    for place in directory.available():
        directory.network(read_config(place))
