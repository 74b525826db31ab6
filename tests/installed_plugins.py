"""Plugins as ``importlib.metadata`` sees them when they are installed, and a network and an encoder of one."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
TINY = """
from dataclasses import dataclass, field

import torch
from torch import nn

from pcqtool.networks import Encoder, EncoderConfig, Network, NetworkConfig, NetworkOutput, Spectrogram
from pcqtool.networks import SpectrogramSettings, build_encoder


@dataclass(frozen=True)
class TinyConfig(NetworkConfig):
    n_channels: int = 4
    dropout: float = 0.0
    spectrogram: SpectrogramSettings = field(default_factory=SpectrogramSettings)


class Tiny(Network[TinyConfig]):
    config_class = TinyConfig
    front_end_settings = ("spectrogram",)
    spectrograms = (0,)

    def __init__(self, config):
        super().__init__(config)
        self.spectrogram = Spectrogram(config.spectrogram)
        self.register_buffer("mean", torch.zeros(()))
        self.hidden = nn.Linear(config.spectrogram.n_bins, config.n_channels)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.n_channels, len(config.labels))

    def front_end(self, waves, n_samples):
        return (self.spectrogram(waves).half(),)

    def prepare(self, batches):
        self.mean.copy_(torch.cat([batch.inputs[0].mean(dim=(1, 2)) for batch in batches]).mean())

    def classify(self, inputs, valid_fraction):
        embedding = self.hidden((inputs[0] - self.mean).mean(dim=1) / 20).tanh()
        return NetworkOutput(self.out(self.dropout(embedding)), embedding)


class Centres(Network[TinyConfig]):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.spectrogram = Spectrogram(config.spectrogram)
        self.register_buffer("centres", torch.zeros(len(config.labels), config.spectrogram.n_bins))

    def front_end(self, waves, n_samples):
        return (self.spectrogram(waves).mean(dim=1),)

    def prepare(self, batches):
        spectra, targets = (torch.cat(each) for each in zip(*((b.inputs[0], b.targets) for b in batches)))
        for label in targets.unique():
            self.centres[label] = spectra[targets == label].mean(dim=0)

    def classify(self, inputs, valid_fraction):
        return NetworkOutput(-torch.cdist(inputs[0], self.centres), inputs[0])


@dataclass(frozen=True)
class FramesConfig(NetworkConfig):
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig("cuts"))


class Frames(Network[FramesConfig]):
    config_class = FramesConfig

    def __init__(self, config):
        super().__init__(config)
        self.encoder = build_encoder(config.encoder)
        self.out = nn.Linear(self.encoder.width, len(config.labels))

    def front_end(self, waves, n_samples):
        return (self.encoder.encode(waves) if self.config.encoder.frozen else waves,)

    def classify(self, inputs, valid_fraction):
        frozen = self.config.encoder.frozen
        frames = self.encoder.combine(inputs[0].unbind(1)) if frozen else self.encoder(inputs[0])
        return NetworkOutput(self.out(frames.mean(dim=1)), frames.mean(dim=1), frames)


class Cuts(Encoder):
    def __init__(self, config):
        super().__init__(config)
        self.dim, self.n_layers = config.architecture.get("dim", 8), 1
        self.stem = nn.Conv1d(1, self.dim, 640, stride=640)
        self.layer = nn.Linear(self.dim, self.dim)

    def hidden_states(self, encoder_input):
        frames = self.stem(encoder_input[:, None]).transpose(1, 2)
        states = [frames, self.layer(frames).tanh()]
        return [states[index] for index in self.layer_indices()]
"""
NETWORKS = {"tiny": "tiny_ser:Tiny", "centres": "tiny_ser:Centres", "frames": "tiny_ser:Frames"}
ENCODERS = {"cuts": "tiny_ser:Cuts"}

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that puts a distribution with entry points, and its module, on ``sys.path``.

    Its points are those of one group, ``pcqtool.corpora`` by default, or of several groups, by their names.
    """
    from pcqtool.model.registry import encoder_class, network_class
    from pcqtool.training.recipe_changes import known_settings

    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def install(
        distribution: str, points: Mapping[str, object], source: str | None = None, version: str = "1.0"
    ) -> None:
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        one_group = not any(isinstance(each, Mapping) for each in points.values())
        lines = []
        for group, entries in ({"pcqtool.corpora": points} if one_group else points).items():
            lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
        (info / "entry_points.txt").write_text("\n".join([*lines, ""]))
        if source is not None:
            (site / f"{distribution.replace('-', '_')}.py").write_text(source)

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    groups = ("pcqtool.corpora", "pcqtool.networks", "pcqtool.encoders")
    install("pcqtool", {group: project["entry-points"][group] for group in groups})
    yield install
    for cached in (network_class, encoder_class, known_settings):
        cached.cache_clear()
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(site):
            del sys.modules[name]


@pytest.fixture
def tiny_ser(install: Install, monkeypatch: pytest.MonkeyPatch) -> Install:
    """An installed distribution with the networks tiny, centres and frames, and the encoder cuts.

    It is loaded without trying it in another process first, which imports torch and takes seconds.
    """
    monkeypatch.setattr("pcqtool.plugins.registry.load_problems", lambda found, *options: [None] * len(found))

    def again(version: str) -> None:
        install("tiny-ser", {"pcqtool.networks": NETWORKS, "pcqtool.encoders": ENCODERS}, TINY, version)

    again("1.0")
    return again
