"""Feature sources: the paper's front end, a model, or a pre-trained encoder; torch is imported when needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pcqtool.arguments import StrPath
from pcqtool.errors import SettingsError
from pcqtool.features.settings import FeatureSettings
from pcqtool.fingerprint import fingerprint
from pcqtool.model.directory import EncoderSearchPath, find, load, model_sha256, read_config
from pcqtool.model.plugin_versions import plugins_in_use

if TYPE_CHECKING:
    import torch

    from pcqtool.features.network import FeatureNetwork
    from pcqtool.model.encoders import PretrainedEncoder

LAST = -1


@dataclass(frozen=True)
class SourceInfo:
    """Facts about a feature source.

    Attributes:
        name: name of the model or encoder, for the tables.
        sha256: hash of its weights.
        settings: further settings that change results.
        about: a line for the user.
    """

    name: str
    sha256: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""


class FeatureSource(Protocol):
    """The model or encoder that computes features."""

    def identify(self) -> SourceInfo:
        """Return the facts about it."""

    def network(self, device: str | torch.device) -> FeatureNetwork:
        """Return a network on a device; each call returns another one."""


class SpectrogramSource:
    """The paper's spectrogram, which needs no model."""

    def identify(self) -> SourceInfo:
        """Return its name; it has no weights."""
        return SourceInfo("paper-front-end")

    def network(self, device: str | torch.device) -> FeatureNetwork:
        """Return a network on a device."""
        from pcqtool.audio.spectrogram import Spectrogram, SpectrogramSettings
        from pcqtool.features.network import FeatureNetwork

        spectrogram = Spectrogram(SpectrogramSettings())
        return FeatureNetwork(spectrogram, lambda waves, n_samples: spectrogram(waves), device)


class ModelSource:
    """A model's spectrogram, its encoder's frames, or its fusion vector.

    Args:
        directory: the model's directory.
        settings: which of these features.
        search_path: where to look for an encoder that the model does not contain.
    """

    def __init__(self, directory: Path, settings: FeatureSettings, search_path: EncoderSearchPath) -> None:
        self.directory = directory
        self.settings = settings
        self.search_path = search_path

    def identify(self) -> SourceInfo:
        """Return name and hash of the model, and its training corpora."""
        config = read_config(self.directory)
        settings = {"plugins": plugins_in_use(config)} if config.plugins else {}
        return SourceInfo(config.name, model_sha256(self.directory), settings, config.trained_on)

    def network(self, device: str | torch.device) -> FeatureNetwork:
        """Return a network on a device.

        Raises:
            ModelError: if the model is damaged, or its encoder does not have the layer.
            SettingsError: if frames are requested from a model without encoder, or a spectrogram from one without.
        """
        from pcqtool.audio.spectrogram import Spectrogram
        from pcqtool.features.network import FeatureNetwork, frames_of

        model, config = load(self.directory, self.search_path)
        if self.settings.feature == "spectrogram":
            spectrogram = getattr(model, "spectrogram", None)
            if not isinstance(spectrogram, Spectrogram):
                raise SettingsError(f"model {config.name} has no spectrogram", "Leave --model out, for the paper's.")
            return FeatureNetwork(model, lambda waves, n_samples: spectrogram(waves), device)
        if self.settings.feature == "fusion":
            return FeatureNetwork(model, lambda waves, n_samples: model(waves, n_samples).embedding, device)
        if model.encoder is None:
            raise SettingsError(f"model {config.name} has no encoder", "Name another --model, or an --encoder.")
        return FeatureNetwork(model, frames_of(model.encoder, self.settings.layer), device)


class EncoderSource:
    """The frames of a pre-trained encoder.

    Args:
        source: the encoder's directory, or an id of the Hugging Face Hub.
        layer: hidden state; ``None`` for the last one.

    Raises:
        ModelError: from its methods, if the encoder cannot be found, downloaded or used.
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
        """Return its name, the hash of the used tensors (as in a model that refers to it), and that of its settings."""
        from pcqtool.model.external_encoder import tensors_sha256, used_tensors

        name = Path(self.source).resolve().name if Path(self.source).is_dir() else self.source
        settings = {"architecture": fingerprint(asdict(self.encoder.config))}
        return SourceInfo(name, tensors_sha256(used_tensors(self.encoder)), settings)

    def network(self, device: str | torch.device) -> FeatureNetwork:
        """Return a network on a device."""
        from pcqtool.features.network import FeatureNetwork, frames_of

        encoder = self.encoder
        del self.encoder  # another device gets another copy
        return FeatureNetwork(encoder, frames_of(encoder, None), device)


def origin(
    settings: FeatureSettings, model: StrPath | None, encoder: StrPath | None, search_path: EncoderSearchPath
) -> FeatureSource:
    """Return the source of features.

    Args:
        settings: which features.
        model: name or directory of a model; ``None`` for the bundled one, or for none if the features need no model.
        encoder: a pre-trained encoder for the frames, instead of a model's.
        search_path: where to look for an encoder that the model does not contain.

    Raises:
        ModelError: if the model is damaged.
        SettingsError: if the model does not exist, or an encoder does not compute the features.
    """
    if encoder is not None:
        if settings.feature != "frames":
            raise SettingsError(
                f"an encoder alone does not compute {settings.feature}", "Extract frames, or leave --encoder out."
            )
        return EncoderSource(os.fspath(encoder), settings.layer)
    if settings.feature == "spectrogram" and model is None:
        return SpectrogramSource()
    return ModelSource(find(model), settings, search_path)
