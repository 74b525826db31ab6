from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pcqtool.errors import ModelError
from pcqtool.model.directory import EncoderRef, EncoderSearchPath, ModelConfig, load, locate_encoder, model_sha256, save
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.model.external_encoder import read_used_tensors, reference_encoder, tensors_sha256, used_tensors
from pcqtool.model.network_settings import network_config_to_json
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.model.predictor import Predictor

HFEncoder = Callable[[str], Path]


@pytest.fixture
def place(external_model: Path, tmp_path: Path) -> Path:
    """A model directory without its encoder, to be damaged."""
    return shutil.copytree(external_model, tmp_path / "borrowing")


@pytest.fixture
def encoder(tiny_whisper: Path, tmp_path: Path) -> Path:
    """The encoder's directory, to be changed."""
    return shutil.copytree(tiny_whisper, tmp_path / "encoders" / "whisper")


def rewrite(directory: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    file = directory / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def edit(directory: Path, **entries: Any) -> None:
    file = directory / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def half_of_it(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix("encoder."): t.contiguous() for n, t in weights.items() if n.startswith("encoder.")}


def at(directory: Path) -> EncoderSearchPath:
    return EncoderSearchPath((directory,))


COPIES: dict[str, Callable[[dict[str, Tensor]], dict[str, Tensor]]] = {
    "whole": lambda weights: weights,
    "half precision": lambda weights: {name: t.half() for name, t in weights.items()},
    "under a head": lambda weights: {f"model.{name}": t for name, t in weights.items()},
    "encoder half": half_of_it,
    "cut": lambda weights: {
        name: t[:200].contiguous() if "embed_positions" in name else t
        for name, t in half_of_it(weights).items()
        if not name.startswith(("layers.1", "layer_norm"))
    },
}


@pytest.mark.parametrize("copy", COPIES)
def test_every_copy_of_the_encoder_is_the_same(place: Path, encoder: Path, waves: Tensor, copy: str) -> None:
    expected = load(place, at(encoder))[0](waves).logits
    rewrite(encoder, COPIES[copy])
    model, config = load(place, at(encoder))
    assert torch.equal(model(waves).logits, expected)
    assert reference_encoder(model, "some/whisper") == config.encoder_source
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not any(part.training for part in model.modules())


@pytest.mark.parametrize("name", ["wavlm", "wavlm-large", "wav2vec2-large", "hubert"])
def test_other_kinds_of_encoders_can_be_external(
    hf_encoder: HFEncoder, waves: Tensor, tmp_path: Path, name: str
) -> None:
    encoder = load_pretrained(hf_encoder(name), (1, 2), frozen=True)
    network = PCQConfig(
        ("a", "b"), mlcnn_channels=(4, 8), spectrogram_pool=(4, 4), classifier_hidden=(), encoder=encoder.config
    )
    model = PCQ(network)
    model.encoder = encoder
    source = reference_encoder(model, "some/encoder")
    save(
        tmp_path,
        ModelConfig("m", network.labels, network_config_to_json(network), encoder_source=source),
        model,
        {},
        "",
    )
    older = shutil.copytree(hf_encoder(name), tmp_path / "older")  # with the names of older versions of torch
    for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
        rewrite(
            older,
            lambda w, new=new, old=old: {k.replace(f"parametrizations.weight.{new}", old): t for k, t in w.items()},
        )
    rewrite(older, lambda w: {f"{encoder.config.kind}.{k}": t for k, t in w.items() if k != "masked_spec_embed"})
    logits = [load(tmp_path, at(folder))[0](waves).logits for folder in (hf_encoder(name), older)]
    assert torch.equal(*logits)


def test_the_directory_contains_our_weights_and_the_encoders_hash(external_model: Path, tiny_whisper: Path) -> None:
    stored = load_file(external_model / "model.safetensors")
    assert "encoder.mix" in stored
    assert not any(name.startswith("encoder.model.") for name in stored)
    entries = json.loads((external_model / "config.json").read_text())
    weights = half_of_it(load_file(tiny_whisper / "model.safetensors"))
    weights["embed_positions.weight"] = weights["embed_positions.weight"][:150]
    hashed = hashlib.sha256()
    for name in sorted(name for name in weights if not name.startswith(("layers.1", "layer_norm"))):
        values = weights[name].numpy().astype(np.float16)
        hashed.update(f"{name} float16 {list(values.shape)}\n".encode() + values.tobytes())
    assert entries["encoder_source"] == {"name": "some/whisper", "sha256": hashed.hexdigest()}


def test_the_models_hash_covers_the_encoders(place: Path) -> None:
    before = model_sha256(place)
    edit(place, encoder_source={"name": "some/whisper", "sha256": "1" * 64})
    assert model_sha256(place) != before


def test_an_external_encoder_does_not_change_predictions(
    external_model: Path, tiny_whisper: Path, waves: Tensor, tmp_path: Path
) -> None:
    model, config = load(external_model, at(tiny_whisper))
    save(tmp_path / "whole", replace(config, encoder_source=None), model, {}, "")
    whole, _ = load(tmp_path / "whole", EncoderSearchPath(()))
    assert torch.equal(whole(waves).logits, model(waves).logits)
    assert model_sha256(tmp_path / "whole") != model_sha256(external_model)


def test_batch_size_changes_nothing(external_model: Path, tiny_whisper: Path, waves: Tensor) -> None:
    predictor = Predictor(external_model, "cpu", at(tiny_whisper))
    whole = predictor.log_probs(waves.numpy())
    alone = np.concatenate([predictor.log_probs(wave[None]) for wave in waves.numpy()])
    np.testing.assert_allclose(alone, whole, atol=1e-5)
    assert np.abs(whole - whole[0]).max() > 1e-3


def test_the_right_encoder_is_identified_by_its_tensors(place: Path, encoder: Path) -> None:
    tuned = shutil.copytree(encoder, encoder.parent / "a-tuned-one")
    rewrite(tuned, lambda weights: {name: t + 0.01 for name, t in weights.items()})
    damaged = shutil.copytree(encoder, encoder.parent / "b-damaged-one")
    os.truncate(damaged / "model.safetensors", 3000)
    assert locate_encoder(place, at(encoder.parent)) == encoder
    load(place, at(encoder.parent))


def flip(directory: Path) -> None:
    """Change a bit of a tensor that is used."""

    def change(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        weights["encoder.layers.0.fc1.bias"][3] += 0.5
        return weights

    rewrite(directory, change)


def without(name: str) -> Callable[[Path], None]:
    return lambda directory: rewrite(directory, lambda w: {key: t for key, t in w.items() if key != name})


def with_value(name: str, value: Tensor) -> Callable[[Path], None]:
    return lambda directory: rewrite(directory, lambda weights: weights | {name: value})


OTHERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed value": (flip, "the encoder in {place} has the hash [0-9a-f]{{64}}\n"),
    "missing tensor": (
        without("encoder.layers.0.fc2.weight"),
        "lacks 1 of the encoder's tensors, for example layers.0.fc2.weight",
    ),
    "misshapen": (with_value("encoder.conv1.bias", torch.zeros(4)), r"conv1.bias is F32 of shape \(4,\)"),
    "whole numbers": (
        with_value("encoder.conv1.bias", torch.zeros(16, dtype=torch.int64)),
        "conv1.bias is I64 of shape",
    ),
    "NaN": (with_value("encoder.conv1.bias", torch.full((16,), torch.nan)), "outside the range of half precision"),
    "beyond half": (with_value("encoder.conv1.bias", torch.full((16,), 1e6)), "outside the range of half precision"),
    "too few positions": (with_value("encoder.embed_positions.weight", torch.zeros(100, 16)), r"shape \(100, 16\)"),
    "a pickle": (lambda d: torch.save({}, d / "model.safetensors"), "is damaged"),
    "truncated": (lambda d: os.truncate(d / "model.safetensors", 3000), "is damaged"),
}


@pytest.mark.parametrize("change", OTHERS)
def test_another_encoder_is_refused(place: Path, encoder: Path, change: str) -> None:
    spoil, pattern = OTHERS[change]
    spoil(encoder)
    with pytest.raises(ModelError, match=pattern.format(place=encoder)) as caught:
        load(place, at(encoder))
    wanted = json.loads((place / "config.json").read_text())["encoder_source"]["sha256"]
    assert f"model borrowing needs the encoder some/whisper with the hash {wanted}" in caught.value.what
    assert str(encoder) in caught.value.what
    assert "hf download" in caught.value.hint


SOURCE = {"name": "some/whisper", "sha256": "0" * 64}
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "source in words": (lambda p: edit(p, encoder_source="whisper"), "must be an object with name and sha256"),
    "empty source": (lambda p: edit(p, encoder_source={}), "must be an object with name and sha256"),
    "more in it": (lambda p: edit(p, encoder_source=SOURCE | {"url": "x"}), "must be an object with name and sha256"),
    "no name": (lambda p: edit(p, encoder_source=SOURCE | {"name": ""}), "must be text"),
    "name in numbers": (lambda p: edit(p, encoder_source=SOURCE | {"name": 3}), "must be text"),
    "no hash": (lambda p: edit(p, encoder_source=SOURCE | {"sha256": "0" * 63}), "64 hexadecimal digits"),
    "hash of a list": (lambda p: edit(p, encoder_source=SOURCE | {"sha256": ["0"]}), "must be text"),
    "no source": (lambda p: edit(p, encoder_source=None), "missing encoder.model"),
    "foreign weights, too": (
        with_value("encoder.model.conv1.bias", torch.zeros(16)),
        "unexpected encoder.model.conv1.bias",
    ),
    "mix missing": (without("encoder.mix"), "missing encoder.mix"),
    "NaN of ours": (with_value("encoder.mix", torch.tensor([0.0, torch.nan])), "encoder.mix contains values"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_directory_is_refused(place: Path, tiny_whisper: Path, damage: str) -> None:
    harm, pattern = DAMAGES[damage]
    load(place, at(tiny_whisper))
    harm(place)
    with pytest.raises(ModelError, match=pattern) as caught:
        load(place, at(tiny_whisper))
    assert str(place) in caught.value.what


@pytest.mark.parametrize(("name", "frozen"), [("none", True), ("mini", True), ("whisper", False)])
def test_only_a_frozen_pretrained_encoder_can_be_external(
    network: Callable[..., PCQ], tmp_path: Path, name: str, frozen: bool
) -> None:
    model = network(name, mlcnn_channels=(8, 12), frozen=frozen)
    with pytest.raises(ModelError, match="only a frozen pre-trained encoder"):
        reference_encoder(model, "x")
    source = EncoderRef("x", "0" * 64)
    config = ModelConfig("m", model.config.labels, network_config_to_json(model.config), encoder_source=source)
    save(tmp_path, config, model, {}, "")
    with pytest.raises(ModelError, match=r"config\.json: only a frozen pre-trained encoder"):
        load(tmp_path, EncoderSearchPath(()))


def test_a_complete_model_searches_for_no_encoder(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EncoderSearchPath, "candidates", lambda *_: pytest.fail("looked for an encoder"))
    load(tiny_model)
    assert locate_encoder(tiny_model, EncoderSearchPath()) is None


def test_the_hash_depends_on_names_shapes_and_values_but_not_on_the_order() -> None:
    weights = {"a": torch.zeros(2, 3).half(), "b": torch.ones(4).half()}
    others = [
        weights | {"a": torch.zeros(3, 2).half()},
        weights | {"b": torch.ones(4).half() * 2},
        {"a": weights["a"], "c": weights["b"]},
        {"a": weights["a"]},
    ]
    assert tensors_sha256(dict(reversed(weights.items()))) == tensors_sha256(weights)
    assert len({tensors_sha256(each) for each in (weights, *others)}) == 5


def test_configuration_keeps_the_source(external_model: Path, tiny_whisper: Path) -> None:
    _, config = load(external_model, at(tiny_whisper))
    assert isinstance(config.encoder_source, EncoderRef)
    assert json.loads((external_model / "config.json").read_text()) == json.loads(json.dumps(config.to_json()))


def test_real_encoders_differ(shared_encoders: Path) -> None:
    directory = shared_encoders / "whisper-base"
    if not directory.is_dir():
        pytest.skip("whisper-base is not here")
    encoder = load_pretrained(directory, (2, 3), frozen=True)
    wanted = used_tensors(encoder)
    assert tensors_sha256(read_used_tensors(directory, wanted)) == tensors_sha256(wanted)
    with pytest.raises(ModelError, match=r"conv1\.bias|conv1\.weight"):
        read_used_tensors(shared_encoders / "whisper-tiny.en", wanted)
