"""What several parts of the tests build on: a model and recordings, both made on the spot."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from pcqtool.labelling.settings import LabelSettings
from pcqtool.model.directory import ModelConfig
from pcqtool.tables.provenance import Provenance

WriteWave = Callable[..., Path]


def pytest_configure() -> None:
    """Give each of several test processes, and the programs that it starts, one thread: they share the cores."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    settings.register_profile("unhurried", deadline=None)  # a pause of the machine is no fault
    settings.load_profile("unhurried")


def save_tiny_model(directory: Path, **settings: Any) -> Path:
    """Write the directory of a very small PCQ with random weights."""
    import torch

    from pcqtool.model.directory import ModelConfig, save
    from pcqtool.model.network_settings import network_config_to_json
    from pcqtool.model.pcq import PCQ, PCQConfig

    usual = {"mlcnn_channels": (4, 8), "mlcnn_strides": (2, 2), "spectrogram_pool": (4, 4), "classifier_hidden": (8,)}
    network = PCQConfig(("anger", "neutral", "sadness"), **usual | settings)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = PCQ(network)
    trained_on = "nothing at all"
    config = ModelConfig(directory.name, network.labels, network_config_to_json(network), trained_on=trained_on)
    save(directory, config, model, {}, "")
    return directory


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a very small PCQ without encoder, its weights random."""
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def profiled_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a very small PCQ that standardises its inputs by profiles, its weights random."""
    from pcqtool.model.encoders import EncoderConfig

    encoder = EncoderConfig("mini", {"dim": 16, "n_blocks": 1}, frozen=True)
    return save_tiny_model(tmp_path_factory.mktemp("models") / "profiled", encoder=encoder, profile_s=10.0)


@pytest.fixture
def write_wave(tmp_path: Path) -> WriteWave:
    """Write a recording of noise and a tone, another for each seed; ``silent`` leaves nothing but zeros."""
    import soundfile

    def write(
        name: str, seconds: float = 1.0, rate: int = 16000, channels: int = 1, seed: int = 0, silent: bool = False
    ) -> Path:
        rng = np.random.default_rng(seed)
        n = round(seconds * rate)
        noise = rng.normal(0, 0.05, (n, channels)) + 0.3 * np.sin(np.arange(n) * rng.uniform(0.01, 0.5))[:, None]
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise * (not silent), rate, subtype="PCM_16", format="WAV")
        return path

    return write


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest corpus: four speakers hum in three ways, which differ in pitch, tremolo and brightness."""
    import soundfile

    folder = tmp_path_factory.mktemp("toy")
    rows = ["file_name,label,speaker"]
    for speaker in range(4):
        for label, pitch, tremolo, slope in (
            ("anger", 200.0, 12.0, 0.0),
            ("neutral", 150.0, 0.0, 1.0),
            ("sadness", 110.0, 3.0, 2.5),
        ):
            for take, seconds in enumerate((1.0, 2.0, 4.0)):
                name = f"{label}-{speaker}-{take}.wav"
                wave = _hum(speaker, take, pitch, tremolo, slope, round(seconds * 16000))
                soundfile.write(folder / name, wave, 16000, subtype="PCM_16")
                rows.append(f"{name},{label},s{speaker}")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder


def _hum(speaker: int, take: int, pitch: float, tremolo: float, slope: float, n: int) -> np.ndarray:
    """Speakers differ in pitch, level and formant."""
    rng = np.random.default_rng([speaker, take, int(pitch)])
    t = np.arange(n) / 16000
    f0 = pitch * (1 + 0.04 * speaker) * rng.uniform(0.97, 1.03)
    formant = 500.0 + 150.0 * speaker
    wave = sum(
        k**-slope * (1 + np.exp(-(((k * f0 - formant) / 300) ** 2))) * np.sin(2 * np.pi * k * f0 * t + k)
        for k in range(1, int(3800 / f0))
    )
    wave *= 1 - 0.4 * (1 + np.sin(2 * np.pi * tremolo * t)) if tremolo else 1
    return (wave / np.abs(wave).max() + rng.normal(0, 0.01, n)) * (0.2 + 0.15 * speaker)


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a very small Whisper with random weights."""
    import torch
    from transformers import WhisperConfig, WhisperModel

    sizes = {f"{half}_{what}": n for half in ("encoder", "decoder") for what, n in (("layers", 2), ("ffn_dim", 32))}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1, "vocab_size": 8}
    directory = tmp_path_factory.mktemp("encoders") / "tiny-whisper"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        WhisperModel(WhisperConfig(d_model=16, **sizes, **heads, **tokens)).save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def external_model(tmp_path_factory: pytest.TempPathFactory, tiny_whisper: Path) -> Path:
    """The directory of a very small PCQ that names ``tiny_whisper`` as its encoder and does not hold it."""
    import torch

    from pcqtool.model.directory import ModelConfig, save
    from pcqtool.model.encoders.pretrained import load_pretrained
    from pcqtool.model.external_encoder import reference_encoder
    from pcqtool.model.network_settings import network_config_to_json
    from pcqtool.model.pcq import PCQ, PCQConfig

    directory = tmp_path_factory.mktemp("models") / "borrowing"
    encoder = load_pretrained(tiny_whisper, (0, 1), frozen=True)
    labels = ("anger", "neutral", "sadness")
    network = PCQConfig(
        labels,
        mlcnn_channels=(4, 8),
        mlcnn_strides=(2, 2),
        spectrogram_pool=(4, 4),
        classifier_hidden=(8,),
        encoder=encoder.config,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = PCQ(network)
        torch.nn.init.normal_(encoder.mix)
    model.encoder = encoder
    config = ModelConfig(
        "borrowing", labels, network_config_to_json(network), encoder_source=reference_encoder(model, "some/whisper")
    )
    save(directory, config, model, {}, "")
    return directory


@dataclass
class Site:
    """A web site on loopback, and how it misbehaves.

    Attributes:
        address: without a slash at its end.
        files: contents by name.
        ranges: whether it sends parts of files.
        validators: headers that name the state of a file.
        length: whether it says how long a file is.
        break_after: for the next requests, after how many bytes the connection is broken off.
        states: for the next requests, an HTTP state in place of the file; 0 for none.
        pause_s: after every piece of 4 kB.
        asked: the ``Range`` header of each request so far.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    validators: dict[str, str] = field(default_factory=lambda: {"ETag": '"1"'})
    length: bool = True
    break_after: list[int] = field(default_factory=list)
    states: list[int] = field(default_factory=list)
    pause_s: float = 0.0
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    """Serve files on loopback."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.headers.get("Range"))
            state = site.states.pop(0) if site.states else 0
            content = site.files.get(self.path.split("?")[0].removeprefix("/"))
            if state or content is None:
                self.send_error(state or 404)
                return
            first, total = 0, len(content)
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            same = self.headers.get("If-Range") in (None, *site.validators.values())
            if asked and site.ranges and same:
                first = int(asked[1])
                if first >= total:
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
            else:
                self.send_response(200)
            for name, value in site.validators.items():
                self.send_header(name, value)
            if site.length:
                self.send_header("Content-Length", str(total - first))
            self.end_headers()
            end = first + site.break_after.pop(0) if site.break_after else total
            with suppress(ConnectionError):  # who asked may have had enough
                for start in range(first, min(end, total), 4096):
                    self.wfile.write(content[start : min(start + 4096, end)])
                    time.sleep(site.pause_s)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield site
        server.shutdown()


LABELS = ("anger", "neutral", "sadness")


class FakePredictor:
    """Judges a segment by its samples alone, to the bit, without torch."""

    def __init__(self):
        self.batches = []
        self.n_samples = []
        self.default_batch_size = 32

    def log_probs(self, waves, n_samples=None):
        self.batches.append(len(waves))
        self.n_samples += [None] * len(waves) if n_samples is None else n_samples.tolist()
        digests = [hashlib.sha256(wave.tobytes()).digest() for wave in waves]
        logits = np.array([[digest[0], digest[1], digest[2]] for digest in digests]) / 64.0
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


@pytest.fixture
def predictor() -> FakePredictor:
    return FakePredictor()


@pytest.fixture
def config() -> ModelConfig:
    return ModelConfig("fake", LABELS, {})


@pytest.fixture
def provenance(config: ModelConfig) -> Provenance:
    return LabelSettings().provenance(config, "ab" * 32)


@pytest.fixture
def call_folder(tmp_path: Path, write_wave) -> Path:
    """Seven recordings of different lengths."""
    for number in range(7):
        write_wave(f"calls/{number}.wav", seconds=0.4 + 1.3 * number, seed=number)
    return tmp_path / "calls"


RUN_LABELS = ("anger", "neutral", "sadness")
# [true][predicted]: of 8 angry files 6 are predicted right, of 4 neutral ones 2, of 4 sad ones all
RUN_COUNTS = [[6, 2, 0], [1, 2, 1], [0, 0, 4]]


def _run_scores(**changes: Any) -> dict[str, Any]:
    """The entry ``pooled`` of ``metrics.json``."""
    usual = {"n": 16, "wa": 0.75, "ua": 0.75, "macro_f1": 0.7, "ece": 0.05, "ece_uncalibrated": 0.2}
    recall = dict(zip(RUN_LABELS, (0.75, 0.5, 1.0), strict=True))
    intervals = {"wa_interval": [0.625, 0.875], "ua_interval": [0.6, 0.9]}
    return {**usual, "recall": recall, "confusion": RUN_COUNTS, **intervals, **changes}


def _run_metrics(**changes: Any) -> dict[str, Any]:
    """A small run's ``metrics.json``, whose figures can be computed by hand."""
    shared = {"files": 0, "speakers": 0, "sessions": None, "texts": 4}
    usual = {
        "corpus": "emodb",
        "protocol": "loso",
        "leaks": False,
        "overlap": {"test": shared, "validation": shared},
        "labels": list(RUN_LABELS),
        "seeds": [0, 1],
        "over_seeds": {"wa": {"mean": 0.75, "sd": 0.01}, "ua": {"mean": 0.75, "sd": 0.02}},
        "folds": {"wa": {"mean": 0.74, "sd": 0.05}, "ua": {"mean": 0.73, "sd": 0.06}},
        "recipe": {"name": "toy"},
        "encoder": None,
        "teacher": None,
        "command": "pcqtool evaluate --corpus emodb",
        "data": {"corpus": "emodb", "n_utterances": 16, "n_speakers": 4, "hours": 0.01},
        "machine": {"processor": "Abacus 3000", "n_cores": 2, "device": "cpu"},
        "tool_version": "9.9",
        "torch_version": "8.8",
        "created": "2024-02-29",
    }
    return {**usual, "pooled": _run_scores(), **changes}


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run's ``metrics.json`` into a directory of this name, and return the directory."""

    def write(name: str = "run", **changes: Any) -> Path:
        place = tmp_path / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "metrics.json").write_text(json.dumps(_run_metrics(**changes)))
        return place

    return write
