from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pcqtool.errors import FileError, ModelError, SettingsError
from pcqtool.model import directory
from pcqtool.model.directory import ModelConfig, find, load, model_sha256, save
from pcqtool.model.encoder_search import EncoderSearchPath
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.model.network_settings import network_config_to_json
from pcqtool.model.pcq import PCQ
from pcqtool.model.profile import Profile

Network = Callable[..., PCQ]


def config_of(model: PCQ, **changes: Any) -> ModelConfig:
    settings = {
        "name": "small",
        "labels": model.config.labels,
        "network": network_config_to_json(model.config),
        "temperature": 1.5,
    }
    return ModelConfig(**settings | changes)


def rounded(model: PCQ) -> PCQ:
    """The model, its parameters and running statistics as half precision holds them."""
    for name, value in model.state_dict().items():
        if name in dict(model.named_parameters()) or ".running_" in name:
            value.copy_(value.half().float())
    return model.eval()


def log_probs(model: PCQ, waves: Tensor) -> Tensor:
    with torch.inference_mode():
        result: Tensor = model(waves).logits.log_softmax(dim=1)
    return result


@pytest.fixture(scope="module")
def model(network: Network, waves: Tensor) -> PCQ:
    model = network("mini", (1, 2), mlcnn_channels=(8, 12, 16), spectrogram_pool=(2, 2), mean_db=-44.0, sd_db=17.5)
    with torch.no_grad():
        model.train()(waves)  # batch normalisation has statistics of its own
    return model.eval()


@pytest.fixture(scope="module")
def original(model: PCQ, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models") / "small"
    save(place, config_of(model), model, {"wa": 0.5}, "# A card\n")
    return place


@pytest.fixture
def place(original: Path, tmp_path: Path) -> Path:
    """A model directory, to be damaged."""
    return shutil.copytree(original, tmp_path / "small")


def change_config(place: Path, **network: Any) -> None:
    file = place / "config.json"
    entries = json.loads(file.read_text())
    entries["network"] |= network
    file.write_text(json.dumps(entries))


def change_weights(place: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    file = place / "model.safetensors"
    weights = load_file(file)
    change(weights)
    save_file(weights, file)


@pytest.mark.parametrize("name", ["none", "mini", "wavlm", "wav2vec2-large", "hubert", "whisper"])
def test_round_trip_rounds_to_half_precision_and_no_more(
    network: Network, waves: Tensor, tmp_path: Path, name: str
) -> None:
    model = network(name, mlcnn_channels=(8, 12), mlcnn_strides=(2, 3), frozen=name == "hubert", mean_db=-40.5)
    with torch.no_grad():
        model.train()(waves)
    config = config_of(model, provenance={"seed": 3})
    save(tmp_path, config, model, {}, "")
    loaded, read = load(tmp_path)
    assert not any(part.training for part in loaded.modules())
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert json.dumps(vars(read)) == json.dumps(vars(config))
    assert json.dumps(network_config_to_json(loaded.config)) == json.dumps(network_config_to_json(model.config))
    assert torch.equal(log_probs(loaded, waves), log_probs(rounded(model), waves))


def test_the_training_datas_profile_is_stored_exactly(network: Network, tmp_path: Path) -> None:
    """Half precision would round a variance of 0.01 beside a mean of 50 to anything from -2 to 2."""
    model = network("mini", (0,), True, profile_s=30.0)
    n = len(model.standardisation.running_mean)
    mean = np.linspace(-60.0, 60.0, n)
    model.standardisation.keep_profile(Profile(99.0, mean, mean**2 + 0.04, mean**2 + 4.0))
    save(tmp_path, config_of(model), model, {}, "")
    loaded, _ = load(tmp_path)
    for found, wanted in zip(loaded.standardisation.statistics(), model.standardisation.statistics(), strict=True):
        assert torch.equal(found, wanted)
    assert loaded.standardisation.statistics().sd.min() > 0.15


@pytest.mark.parametrize(("name", "layers"), [("wavlm", (-1,)), ("wavlm-large", (1,)), ("whisper", (0, 2))])
def test_a_trained_encoder_loads_without_its_source(
    network: Network,
    hf_encoder: Callable[[str], Path],
    waves: Tensor,
    tmp_path: Path,
    name: str,
    layers: tuple[int, ...],
) -> None:
    origin = shutil.copytree(hf_encoder(name), tmp_path / "origin")
    encoder = load_pretrained(origin, layers)
    model = network(mlcnn_channels=(8, 12), encoder=encoder.config)
    model.encoder = encoder
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.01 * torch.randn(p.shape))  # as if tuned
    save(tmp_path / "model", config_of(model), model, {}, "")
    shutil.rmtree(origin)
    loaded, _ = load(tmp_path / "model")
    assert torch.equal(log_probs(loaded, waves), log_probs(rounded(model), waves))


def test_the_four_files_contain_the_results_of_training(original: Path, model: PCQ) -> None:
    assert {path.name for path in original.iterdir()} == {
        "README.md",
        "config.json",
        "metrics.json",
        "model.safetensors",
    }
    assert (original / "README.md").read_text() == "# A card\n"
    assert json.loads((original / "metrics.json").read_text()) == {"wa": 0.5}
    stored = load_file(original / "model.safetensors")
    learned = {name for name, _ in model.named_parameters()}
    assert {t.dtype for t in stored.values()} == {torch.float16}
    assert learned < stored.keys()
    assert {name.rpartition(".")[2] for name in stored.keys() - learned} == {"running_mean", "running_var"}


def test_saving_again_replaces_the_model(place: Path, network: Network) -> None:
    other = network("none", mlcnn_channels=(8, 12))
    before = model_sha256(place)
    save(place, config_of(other, name="other"), other, {}, "")
    assert load(place)[1].name == "other"
    assert model_sha256(place) != before


def test_failed_save_leaves_no_model(place: Path, model: PCQ, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> bytes:
        raise OSError("the disk is full")

    monkeypatch.setattr("safetensors.torch.save", refuse)
    with pytest.raises(OSError, match="full"):
        save(place, config_of(model), model, {}, "")
    with pytest.raises(ModelError):
        find(place)


def test_an_impossible_directory_is_refused(tmp_path: Path, model: PCQ) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot be written"):
        save(tmp_path / "file" / "model", config_of(model), model, {}, "")


@pytest.mark.parametrize("value", [1e6, float("nan")])
def test_weights_beyond_half_precision_are_not_saved(tmp_path: Path, network: Network, value: float) -> None:
    model = network("none", mlcnn_channels=(8, 12))
    model.classifier[-1].bias.data[0] = value
    with pytest.raises(ModelError, match="classifier"):
        save(tmp_path / "model", config_of(model), model, {}, "")
    assert not (tmp_path / "model").exists()


FIRST = "mlcnn.layers.0.0.weight"
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no configuration": (lambda p: (p / "config.json").unlink(), r"cannot read .*config\.json"),
    "no weights": (lambda p: (p / "model.safetensors").unlink(), r"cannot read .*model\.safetensors"),
    "folder for weights": (
        lambda p: ((p / "model.safetensors").unlink(), (p / "model.safetensors").mkdir()),
        r"cannot read .*model\.safetensors",
    ),
    "truncated header": (lambda p: os.truncate(p / "model.safetensors", 100), r"model\.safetensors is damaged"),
    "truncated data": (lambda p: os.truncate(p / "model.safetensors", 20000), r"model\.safetensors is damaged"),
    "empty": (lambda p: os.truncate(p / "model.safetensors", 0), r"model\.safetensors is damaged"),
    "pickle": (lambda p: torch.save({}, p / "model.safetensors"), r"model\.safetensors is damaged"),
    "missing weight": (lambda p: change_weights(p, lambda w: w.pop(FIRST)), f"missing {FIRST}"),
    "unexpected weight": (lambda p: change_weights(p, lambda w: w.update(odd=torch.ones(1))), "unexpected odd"),
    "misshapen weight": (
        lambda p: change_weights(p, lambda w: w.update({FIRST: torch.ones(1, 2, 3, 3)})),
        rf"{FIRST} has shape \(1, 2, 3, 3\)",
    ),
    "NaN": (lambda p: change_weights(p, lambda w: w[FIRST].view(-1)[5:6].fill_(torch.nan)), f"{FIRST} contains values"),
    "infinity": (lambda p: change_weights(p, lambda w: w[FIRST].fill_(torch.inf)), f"{FIRST} contains values"),
    "other network": (lambda p: change_config(p, mlcnn_channels=[8, 12]), "unexpected"),
    "unknown setting": (lambda p: change_config(p, depth=3), r"config\.json: .*unknown setting 'depth'"),
    "labels twice": (lambda p: change_config(p, labels=["a", "b"]), r"config\.json: .*unknown setting 'labels'"),
    "unknown setting of a part": (lambda p: change_config(p, encoder={"join": True}), r"unknown setting 'join'"),
    "wrong setting": (lambda p: change_config(p, mlcnn_channels="many"), r"config\.json: .*channels must be"),
    "setting in words": (lambda p: change_config(p, sd_db="loud"), r"config\.json: .*small is not valid"),
    "impossible front end": (lambda p: change_config(p, spectrogram={"window": 900}), r"config\.json: .*impossible"),
    "other rate": (lambda p: change_config(p, spectrogram={"sample_rate": 8000}), r"config\.json: .*16000 Hz"),
    "front end in words": (lambda p: change_config(p, spectrogram="paper"), r"config\.json: .*not valid"),
    "no such encoder": (lambda p: change_config(p, encoder={"kind": "alexnet"}), r"config\.json: unknown encoder"),
    "no such layer": (lambda p: change_config(p, encoder={"kind": "mini", "layers": [99]}), r"config\.json: .*not 99"),
    "odd architecture": (
        lambda p: change_config(p, encoder={"kind": "mini", "architecture": {"depth": 9}}),
        r"config\.json does not describe a valid network: .*depth",
    ),
    "odd encoder of transformers": (
        lambda p: change_config(p, encoder={"kind": "wavlm", "architecture": {"hidden_size": "big"}}),
        r"config\.json: invalid settings of a wavlm encoder: .*hidden_size",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_directory_is_refused(place: Path, damage: str) -> None:
    harm, pattern = DAMAGES[damage]
    load(place)
    harm(place)
    with pytest.raises(ModelError, match=pattern) as caught:
        load(place)
    assert str(place) in caught.value.what


def test_a_pickle_is_never_run(place: Path, tmp_path: Path) -> None:
    import pickle

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    (place / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError):
        load(place)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_the_hash_depends_on_every_byte(place: Path, name: str) -> None:
    before = model_sha256(place)
    assert model_sha256(place) == before
    content = bytearray((place / name).read_bytes())
    content[-2] ^= 1
    (place / name).write_bytes(content)
    assert model_sha256(place) != before


def test_the_hash_does_not_depend_on_card_and_directory(place: Path, original: Path) -> None:
    (place / "README.md").write_text("another card")
    assert model_sha256(place) == model_sha256(original)


def test_hash_of_an_incomplete_directory_is_refused(place: Path) -> None:
    (place / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"cannot read .*model\.safetensors"):
        model_sha256(place)


@pytest.fixture
def bundled(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with two models inside."""
    for name in ("pcq-mini", "another"):
        shutil.copytree(original, tmp_path / "bundled" / name)
    (tmp_path / "bundled" / "no-model").mkdir()
    monkeypatch.setattr(directory, "_BUNDLED", tmp_path / "bundled")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "bundled"


def test_models_are_found_by_name_and_by_directory(bundled: Path, place: Path) -> None:
    assert directory.bundled_models() == [bundled / "another", bundled / "pcq-mini"]
    assert find() == find(None) == find("") == find("pcq-mini") == bundled / "pcq-mini"
    assert find("another") == bundled / "another"
    assert find(str(place)) == find(place) == place
    assert find("small").resolve() == place


def test_a_bundled_models_name_takes_precedence(bundled: Path, original: Path, tmp_path: Path) -> None:
    shutil.copytree(original, tmp_path / "another")
    assert find("another") == bundled / "another"
    assert find("./another").resolve() == tmp_path / "another"


@pytest.mark.parametrize("name", ["nix", "./nix", "no-model", "bundled", "x" * 5000, "a\0b"])
def test_a_missing_model_is_refused(bundled: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="neither a bundled model nor a directory") as caught:
        find(name)
    assert "Bundled: another, pcq-mini." in caught.value.hint


def test_package_without_models_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "_BUNDLED", tmp_path)
    with pytest.raises(ModelError, match="no model 'pcq-mini'") as caught:
        find()
    assert "Bundled: none." in caught.value.hint


@pytest.mark.parametrize("name", [path.name for path in directory.bundled_models()])
def test_every_bundled_model_loads(name: str, request: pytest.FixtureRequest) -> None:
    place = find(name)
    borrows = directory.read_config(place).encoder_source is not None
    encoders = EncoderSearchPath((request.getfixturevalue("shared_encoders"),)) if borrows else None
    model, config = load(place, encoders)
    assert model.config.labels == config.labels
    assert config.name == name
