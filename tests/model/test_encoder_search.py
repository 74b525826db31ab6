from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pcqtool.errors import ModelError
from pcqtool.model import encoder_search as places_module
from pcqtool.model.config import EncoderRef, ModelConfig
from pcqtool.model.encoder_search import EncoderSearchPath, resolve_local

NETWORK = {"encoder": {"kind": "whisper", "architecture": {"d_model": 16}}}
CONFIG = ModelConfig("head", ("a", "b"), NETWORK, encoder_source=EncoderRef("some/whisper", "0" * 64))


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither folders named in the environment, nor anything in the Hub's cache."""
    monkeypatch.delenv("PCQTOOL_ENCODERS", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(places_module, "_download", lambda name: pytest.fail("nobody asked for a download"))


def encoder(place: Path, model_type: str = "whisper", width: int = 16, weights: str = "model.safetensors") -> Path:
    place.mkdir(parents=True)
    (place / "config.json").write_text(json.dumps({"model_type": model_type, "d_model": width}))
    (place / weights).touch()
    return place


def found(*folders: Path) -> list[Path]:
    return list(EncoderSearchPath(folders).candidates(CONFIG))


def test_a_folder_is_an_encoder_or_contains_encoders(tmp_path: Path) -> None:
    one, two = encoder(tmp_path / "all" / "one"), encoder(tmp_path / "all" / "two")
    assert found(one) == [one]
    assert found(tmp_path / "all") == [one, two]
    assert found(tmp_path / "nowhere", two, one) == [two, one]


def test_only_encoders_of_the_right_kind_and_width_are_candidates(tmp_path: Path) -> None:
    right = encoder(tmp_path / "right")
    encoder(tmp_path / "wider", width=32)
    encoder(tmp_path / "other", model_type="wavlm")
    encoder(tmp_path / "pickle", weights="pytorch_model.bin")
    for name, text in (("broken", "{"), ("list", "[1]"), ("deep", "[" * 100000)):
        (encoder(tmp_path / name) / "config.json").write_text(text)
    assert found(tmp_path) == [right]


@pytest.mark.parametrize("network", [{}, {"encoder": 3}, {"encoder": {"kind": "whisper", "architecture": 3}}])
def test_an_invalid_network_has_no_candidates(tmp_path: Path, network: dict[str, Any]) -> None:
    encoder(tmp_path / "one")
    config = ModelConfig("head", ("a", "b"), network, encoder_source=CONFIG.encoder_source)
    with pytest.raises(ModelError, match="needs the encoder"):
        list(EncoderSearchPath((tmp_path,)).candidates(config))


def test_the_environment_names_folders_unless_some_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = encoder(tmp_path / "one"), encoder(tmp_path / "b" / "two")
    monkeypatch.setenv("PCQTOOL_ENCODERS", f"{one}:{tmp_path / 'b'}")
    assert list(EncoderSearchPath().candidates(CONFIG)) == [one, two]
    assert list(EncoderSearchPath((two,)).candidates(CONFIG)) == [two]


def test_the_hubs_cache_comes_last_and_needs_no_network(tmp_path: Path) -> None:
    root = tmp_path / "cache" / "models--some--whisper"
    cached = encoder(root / "snapshots" / "abc")
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("abc")
    one = encoder(tmp_path / "one")
    assert found(one) == [one, cached]
    (cached / "model.safetensors").unlink()  # only looked at, never downloaded
    assert found(one) == [one]


def test_the_error_lists_the_searched_folders_and_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError) as caught:
        found(tmp_path / "empty", tmp_path / "nowhere")
    what, hint = caught.value.what, caught.value.hint
    assert what.startswith("model head needs the encoder some/whisper, which is not in ")
    assert f"{tmp_path / 'empty'}, {tmp_path / 'nowhere'} (no such directory), the Hub's cache" in what
    assert "'hf download some/whisper config.json model.safetensors'" in hint
    assert "--encoder-dir or PCQTOOL_ENCODERS" in hint


def test_downloads_happen_only_on_request_and_without_local_candidates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched, messages = [], []
    monkeypatch.setattr(places_module, "_download", lambda name: fetched.append(name) or tmp_path / "fetched")
    asked = EncoderSearchPath((tmp_path,), download=True, on_download=messages.append)
    assert list(asked.candidates(CONFIG)) == [tmp_path / "fetched"]
    assert fetched == ["some/whisper"]
    assert messages == ["downloading the encoder some/whisper from the Hugging Face Hub, only this once"]
    one = encoder(tmp_path / "one")
    assert list(asked.candidates(CONFIG)) == [one]
    assert len(fetched) == 1
    private = ModelConfig("head", ("a", "b"), NETWORK, encoder_source=EncoderRef("of-our-own", "0" * 64))
    shutil.rmtree(one)
    with pytest.raises(ModelError):
        list(asked.candidates(private))
    assert len(fetched) == 1


def test_a_failed_download_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> Path:
        raise ConnectionError("no network\nand a long explanation")

    monkeypatch.setattr(places_module, "_download", fail)
    with pytest.raises(ModelError, match=r"the Hub \(no network\)\n") as caught:
        list(EncoderSearchPath((tmp_path,), download=True).candidates(CONFIG))
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("name", ["../../etc", "a/b/c", "-x/y", "a\0b/c", "x" * 500 + "/y", "some/whisper\n"])
def test_names_that_are_not_hub_ids_are_harmless(name: str) -> None:
    config = ModelConfig("head", ("a", "b"), NETWORK, encoder_source=EncoderRef(name, "0" * 64))
    with pytest.raises(ModelError):
        list(EncoderSearchPath(()).candidates(config))


def test_a_complete_model_has_no_candidates(tmp_path: Path) -> None:
    encoder(tmp_path / "one")
    assert list(EncoderSearchPath((tmp_path,)).candidates(ModelConfig("whole", ("a", "b"), NETWORK))) == []


def test_searching_needs_no_torch() -> None:
    code = "import sys, pcqtool.model.encoder_search, pcqtool.model.directory; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_encoder_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("many/whisper-base", "alone/wavlm-base", "many/empty"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("many/whisper-base", "alone/wavlm-base"):
        (tmp_path / folder / "config.json").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("PCQTOOL_ENCODERS", f"{tmp_path / 'many'}{os.pathsep}{tmp_path / 'alone' / 'wavlm-base'}")
    assert resolve_local("openai/whisper-base") == resolve_local("whisper-base") == tmp_path / "many" / "whisper-base"
    assert resolve_local("microsoft/wavlm-base") == tmp_path / "alone" / "wavlm-base"
    assert resolve_local("openai/empty") == "openai/empty"
    assert resolve_local(str(tmp_path)) == str(tmp_path)
    monkeypatch.setenv("PCQTOOL_ENCODERS", "")
    assert resolve_local("openai/whisper-base") == "openai/whisper-base"
