from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pcqtool.errors import ModelError
from pcqtool.model.encoders.pretrained import build_hf_encoder, load_hf_encoder

HFEncoder = Callable[[str], Path]


@pytest.fixture
def encoder(hf_encoder: HFEncoder, tmp_path: Path) -> Path:
    """A directory with an encoder, to be damaged."""
    return shutil.copytree(hf_encoder("wavlm"), tmp_path / "encoder")


def change(directory: Path, **settings: Any) -> None:
    file = directory / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


@pytest.mark.parametrize("name", ["wavlm", "wav2vec2-large", "hubert", "whisper"])
def test_weights_are_those_of_the_file(hf_encoder: HFEncoder, name: str) -> None:
    model, architecture = load_hf_encoder(hf_encoder(name))
    stored = load_file(hf_encoder(name) / "model.safetensors")
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, stored[f"encoder.{key}" if name == "whisper" else key])
    assert architecture["model_type"] == model.config.model_type
    assert architecture["standardised_input"] == (name == "wav2vec2-large")


def test_half_precision_is_read_as_float32(encoder: Path) -> None:
    file = encoder / "model.safetensors"
    save_file({k: v.half() for k, v in load_file(file).items()}, file, metadata={"format": "pt"})
    change(encoder, dtype="float16")
    model, architecture = load_hf_encoder(encoder)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert {p.dtype for p in build_hf_encoder("wavlm", architecture | {"dtype": "float16"}).parameters()} == {
        torch.float32
    }


def test_weights_under_a_head_are_found(tmp_path: Path, hf_encoder: HFEncoder) -> None:
    from transformers import WavLMConfig, WavLMForSequenceClassification

    whole = WavLMForSequenceClassification(WavLMConfig.from_pretrained(hf_encoder("wavlm")))
    whole.save_pretrained(tmp_path)
    model, _ = load_hf_encoder(tmp_path)
    weight = model.encoder.layers[2].feed_forward.output_dense.weight
    assert torch.equal(weight, whole.wavlm.encoder.layers[2].feed_forward.output_dense.weight)


def test_only_settings_that_affect_the_encoder_reach_transformers(encoder: Path) -> None:
    before, architecture = load_hf_encoder(encoder)
    change(encoder, attn_implementation="some/kernel", _attn_implementation="some/kernel", auto_map={"AutoModel": "x"})
    change(encoder, quantization_config={"quant_method": "bitsandbytes"}, torchscript=True, id2label={"0": "\u0000"})
    model, found = load_hf_encoder(encoder)
    assert found == architecture
    assert model.config._attn_implementation == before.config._attn_implementation
    assert not hasattr(model.config, "auto_map")
    assert not hasattr(model.config, "quantization_config")


def drop_weight(directory: Path) -> None:
    file = directory / "model.safetensors"
    weights = load_file(file)
    del weights["encoder.layers.1.layer_norm.weight"]
    save_file(weights, file, metadata={"format": "pt"})


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "not JSON": (lambda d: (d / "config.json").write_text("{"), "JSON"),
    "a list": (lambda d: (d / "config.json").write_text("[1]"), "model_type"),
    "no configuration": (lambda d: (d / "config.json").unlink(), "it has no config.json"),
    "another kind of model": (lambda d: change(d, model_type="bert"), "not 'bert'"),
    "wrong type": (lambda d: change(d, hidden_size="x"), "hidden_size"),
    "impossible size": (lambda d: change(d, num_attention_heads=5), "divisible"),
    "unknown activation": (lambda d: change(d, hidden_act="foo"), "foo"),
    "other sizes": (lambda d: change(d, intermediate_size=50), ""),
    "more layers": (lambda d: change(d, num_hidden_layers=5), "lacks 38 of its weights"),
    "a weight missing": (drop_weight, "lacks 1 of its weights, for example encoder.layers.1.layer_norm.weight"),
    "no weights": (lambda d: (d / "model.safetensors").unlink(), "model.safetensors"),
    "truncated": (lambda d: os.truncate(d / "model.safetensors", 3000), "header"),
    "a pipe": (
        lambda d: ((d / "config.json").unlink(), os.mkfifo(d / "config.json")),
        "config.json is not a regular file",
    ),
    "a pipe of another name": (lambda d: os.mkfifo(d / "preprocessor_config.json"), "preprocessor_config.json is not"),
    "sizes of another world": (lambda d: change(d, hidden_size=8192, num_hidden_layers=128), "weights, but its files"),
    "sizes out of bounds": (lambda d: change(d, hidden_size=10**9), "hidden_size must be"),
    "a pickle": (lambda d: torch.save({}, d / "model.safetensors"), "header"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_directory_is_refused(encoder: Path, damage: str) -> None:
    harm, word = DAMAGES[damage]
    harm(encoder)
    with pytest.raises(ModelError) as caught:
        load_hf_encoder(encoder)
    assert str(encoder) in caught.value.what
    assert word in caught.value.what
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("kind", ["wavlm", "whisper"])
def test_impossible_settings_are_refused(kind: str) -> None:
    with pytest.raises(ModelError, match=f"invalid settings of a {kind} encoder: .*dropout"):
        build_hf_encoder(kind, {"dropout" if kind == "whisper" else "hidden_dropout": "much"})


@pytest.mark.parametrize("as_path", [True, False])
def test_missing_directory_is_named(tmp_path: Path, as_path: bool) -> None:
    source = tmp_path / "nowhere"
    with pytest.raises(ModelError, match="no such directory") as caught:
        load_hf_encoder(source if as_path else str(source))
    assert str(source) in caught.value.what


@pytest.mark.parametrize("source", ["microsoft/wavlm-base", "no-such-encoder", "encoders/whisper-base"])
def test_hub_without_network_is_refused_at_once(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PCQTOOL_ENCODERS", raising=False)
    start = time.monotonic()
    with pytest.raises(ModelError, match=f"cannot load the encoder {source}") as caught:
        load_hf_encoder(source)
    assert time.monotonic() - start < 5
    assert "while online" in caught.value.hint


PROGRAM = """
import sys
from pcqtool.model.encoders import build
from pcqtool.model.encoders.pretrained import load_pretrained
from transformers.utils import logging
for source in sys.argv[1:]:
    build(load_pretrained(source, (1,)).config)
assert logging.is_progress_bar_enabled() and logging.get_verbosity() == logging.WARNING
"""


def test_nothing_is_printed_and_logging_is_restored(hf_encoder: HFEncoder, tmp_path: Path) -> None:
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    headed = tmp_path / "headed"  # whose decoder transformers would report as unexpected
    WhisperForConditionalGeneration(WhisperConfig.from_pretrained(hf_encoder("whisper"))).save_pretrained(headed)
    sources = [str(path) for path in (hf_encoder("wavlm"), hf_encoder("hubert-large"), hf_encoder("whisper"), headed)]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TRANSFORMERS_", "HF_"))} | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *sources], capture_output=True, text=True, env=env, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
