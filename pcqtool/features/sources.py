"""Where features come from: the paper's front end alone, a model, or a pre-trained encoder; no torch until needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pcqtool.errors import SettingsError
from pcqtool.features.settings import FeatureSettings
from pcqtool.fingerprint import fingerprint
from pcqtool.model.directory import EncoderSearchPath, find, load, model_sha256, read_config

if TYPE_CHECKING:
    import torch

    from pcqtool.features.network import FeatureNetwork
    from pcqtool.model.encoders import PretrainedEncoder

LAST = -1

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class SourceInfo:
    """What an origin is.

    Attributes:
        name: of the model or encoder, for the tables.
        sha256: of its weights.
        settings: further ones that change results.
        about: a line for the user.
    """

    name: str
    sha256: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""


class FeatureSource(Protocol):
    """Where features come from."""

    def identify(self) -> SourceInfo:
        """Say what it is."""

    def network(self, device: str | torch.device) -> FeatureNetwork:
        """Make one ready to compute; each call makes another."""


class SpectrogramSource:
    """The paper's spectrogram, for which no model is needed."""

    def identify(self) -> SourceInfo:
        """Give a name; there are no weights."""
        return SourceInfo("paper-front-end")

    def network(self, device: str | torch.device) -> FeatureNetwork:
        """Make it ready to compute."""
        from pcqtool.audio.spectrogram import Spectrogram, SpectrogramSettings
        from pcqtool.features.network import FeatureNetwork

        spectrogram = Spectrogram(SpectrogramSettings())
        return FeatureNetwork(spectrogram, lambda waves, n_samples: spectrogram(waves), device)


class ModelSource:
    """A model's spectrogram, its encoder's frames, or its fusion vector.

    Args:
        directory: the model's.
        settings: which of these.
        places: where to look for an encoder that the model does not hold.
    """

    def __init__(self, directory: Path, settings: FeatureSettings, places: EncoderSearchPath) -> None:
        self.directory = directory
        self.settings = settings
        self.places = places

    def identify(self) -> SourceInfo:
        """Give name and hash of the model, and what it has learnt from."""
        config = read_config(self.directory)
        return SourceInfo(config.name, model_sha256(self.directory), about=config.trained_on)

    def network(self, device: str | torch.device) -> FeatureNetwork:
        """Make it ready to compute.

        Raises:
            ModelError: if the model is damaged, or its encoder has not the layer.
            SettingsError: if frames are asked for of a model without encoder.
        """
        from pcqtool.features.network import FeatureNetwork, frames_of

        model, config = load(self.directory, self.places)
        if self.settings.feature == "spectrogram":
            return FeatureNetwork(model, lambda waves, n_samples: model.spectrogram(waves), device)
        if self.settings.feature == "fusion":
            return FeatureNetwork(model, lambda waves, n_samples: model(waves, n_samples).fusion, device)
        if model.encoder is None:
            raise SettingsError(f"model {config.name} has no encoder", "Name another --model, or an --encoder.")
        return FeatureNetwork(model, frames_of(model.encoder, self.settings.layer), device)


class EncoderSource:
    """The frames of a pre-trained encoder.

    Args:
        source: its directory, or an id of the Hugging Face Hub.
        layer: hidden state; ``None`` for the last one.

    Raises:
        ModelError: by its methods, if it cannot be found, reached or used.
    """

    def __init__(self, source: str, layer: int | None) -> None:
        self.source = source
        self.layer = LAST if layer is None else layer

    @cached_property
    def encoder(self) -> PretrainedEncoder:
        """The encoder with its weights."""
        from pcqtool.model.encoders.pretrained import load_pretrained

        return load_pretrained(self.source, (self.layer,), frozen=True)

    def identify(self) -> SourceInfo:
        """Give its name, the hash of the tensors in use (as a model that names it has it), and that of its settings."""
        from pcqtool.model.external_encoder import tensors_sha256, used_tensors

        name = Path(self.source).resolve().name if Path(self.source).is_dir() else self.source
        settings = {"architecture": fingerprint(asdict(self.encoder.config))}
        return SourceInfo(name, tensors_sha256(used_tensors(self.encoder)), settings)

    def network(self, device: str | torch.device) -> FeatureNetwork:
        """Make it ready to compute."""
        from pcqtool.features.network import FeatureNetwork, frames_of

        encoder = self.encoder
        del self.encoder  # another device gets one of its own
        return FeatureNetwork(encoder, frames_of(encoder, None), device)


def origin(
    settings: FeatureSettings, model: StrPath | None, encoder: StrPath | None, places: EncoderSearchPath
) -> FeatureSource:
    """Say where features come from.

    Args:
        settings: which features.
        model: name or directory of a model; ``None`` for the bundled one, or where that is enough, for none.
        encoder: a pre-trained encoder for the frames, instead of a model's.
        places: where to look for an encoder that the model does not hold.

    Raises:
        ModelError: if the model is damaged.
        SettingsError: if there is no such model, or the features are none of an encoder.
    """
    if encoder is not None:
        if settings.feature != "frames":
            raise SettingsError(
                f"an encoder alone gives no {settings.feature}", "Extract frames, or leave --encoder out."
            )
        return EncoderSource(os.fspath(encoder), settings.layer)
    if settings.feature == "spectrogram" and model is None:
        return SpectrogramSource()
    return ModelSource(find(model), settings, places)
