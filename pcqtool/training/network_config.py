"""The network that a recipe describes, checked before any recording is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import torch
from torch import Tensor

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.errors import ModelError, SettingsError
from pcqtool.model.config import ModelConfig, PluginRef
from pcqtool.model.encoders import Encoder, EncoderConfig, encoder_type
from pcqtool.model.encoders.pretrained import HF_KINDS, load_pretrained
from pcqtool.model.network import AnyNetwork, Network, NetworkConfig, NetworkOutput
from pcqtool.model.network_settings import network_config_from_json, network_config_to_json
from pcqtool.model.pcq import PCQConfig
from pcqtool.model.registry import DEFAULT_KIND, kind_of, network_class
from pcqtool.training.recipe import ProfileSimulation, Recipe


def configure(
    labels: tuple[str, ...], recipe: Recipe, encoder: str | None, teacher: str | None
) -> tuple[NetworkConfig, Encoder | None]:
    """Check that recipe, encoder and teacher fit together; return the network's configuration and the loaded encoder.

    Args:
        labels: the classes.
        recipe: the settings.
        encoder: directory or Hub id of the pre-trained encoder to build on.
        teacher: directory or Hub id of the teacher.

    Raises:
        SettingsError: if the recipe lacks a teacher or an encoder, or describes a network that does not work.
        ModelError: if the encoder cannot be loaded.
    """
    _check_features(recipe, recipe_network(recipe), encoder)
    if recipe.needs_teacher and teacher is None:
        raise SettingsError(
            f"recipe {recipe.name} learns from a teacher",
            "Name a pre-trained encoder's directory with --teacher, or another --recipe.",
        )
    pretrained = None if encoder is None else load_encoder(recipe, encoder)
    config = network_config(labels, recipe, pretrained)
    if (recipe.feature_distillation is not None) != (config.encoder.kind == "mini" and config.encoder.frozen):
        raise SettingsError(
            f"recipe {recipe.name}: feature_distillation and a frozen encoder of the kind mini need each other"
        )
    return config, pretrained


def recipe_network(recipe: Recipe) -> type[AnyNetwork]:
    """Return the class of a recipe's network.

    Raises:
        SettingsError: if no network is of its kind, or its plugin is broken.
    """
    try:
        return network_class(kind_of(recipe.network))
    except ModelError as error:
        raise SettingsError(f"recipe {recipe.name}: {error.what}", error.hint) from error


def network_config(labels: tuple[str, ...], recipe: Recipe, encoder: Encoder | None) -> NetworkConfig:
    """Return the network's configuration, with the pre-trained encoder's where there is one.

    Raises:
        SettingsError: if the recipe lacks an encoder, or describes a network that does not work.
    """
    entries = dict(recipe.network) if encoder is None else {**recipe.network, "encoder": vars(encoder.config)}
    network = recipe_network(recipe)
    try:
        config = network_config_from_json(ModelConfig(recipe.name, labels, entries))
        if encoder is None and config.encoder.kind != "none" and encoder_type(config.encoder.kind).is_pretrained:
            raise SettingsError(
                f"recipe {recipe.name} builds on a pre-trained encoder", "Name its directory or Hub id with --encoder."
            )
        if isinstance(config, PCQConfig):
            _check_profile(recipe, config)
        _try(network(config))
    except ModelError as error:
        raise SettingsError(f"recipe {recipe.name}: {error.what}", error.hint) from error
    except SettingsError:
        raise
    except Exception as error:  # of a plugin, of any kind
        what = str(error) if isinstance(error, TypeError | ValueError | RuntimeError) else repr(error)
        raise SettingsError(f"recipe {recipe.name} describes a network that does not work: {what}") from error
    return config


def front_end_key(
    network: type[AnyNetwork], config: NetworkConfig, kind: str, plugins: Sequence[PluginRef]
) -> list[object]:
    """Return what the outputs of a front end depend on, as JSON values: kind, settings, versions of plugins."""
    settings = network_config_to_json(config, kind)
    names = settings.keys() if network.front_end_settings is None else network.front_end_settings
    return [kind, {name: settings[name] for name in names}, [asdict(plugin) for plugin in plugins]]


def _try(model: AnyNetwork) -> None:
    """Predict a silent segment; an output of another form is a ``TypeError``."""
    with torch.inference_mode():
        output = model.eval()(torch.zeros(1, SEGMENT_SAMPLES))
    if not isinstance(output, NetworkOutput) or not all(isinstance(each, Tensor) for each in output[:2]):
        raise TypeError(f"classify returns {type(output).__name__}, not a NetworkOutput of tensors")
    n_labels = len(model.config.labels)
    if tuple(output.logits.shape) != (1, n_labels) or output.embedding.ndim != 2 or len(output.embedding) != 1:
        shapes = f"{list(output.logits.shape)} and {list(output.embedding.shape)}"
        raise ValueError(
            f"logits and embedding of one segment have the shapes {shapes}, not [1, {n_labels}] and [1, F]"
        )


def _check_features(recipe: Recipe, network: type[AnyNetwork], encoder: str | None) -> None:
    """Refuse settings that a network other than PCQ has no use for."""
    if recipe.kind == DEFAULT_KIND:
        return
    settings = {each.name for each in fields(network.config_class)}
    refused = {
        "feature_distillation is for pcq": (recipe.feature_distillation is not None, "Use [distillation] instead."),
        "profiles are for pcq": (recipe.profiles != ProfileSimulation(), "Leave [profiles] out."),
        "specaugment masks spectrograms": (
            recipe.specaugment is not None and not network.spectrograms and network.mask is Network.mask,
            "Leave [specaugment] out.",
        ),
        "an encoder is named": (encoder is not None and "encoder" not in settings, "Leave the encoder out."),
    }
    for what, (is_refused, remedy) in refused.items():
        if is_refused:
            raise SettingsError(f"recipe {recipe.name}: {what}, but the network is {recipe.kind}, without any", remedy)


def _check_profile(recipe: Recipe, config: PCQConfig) -> None:
    """Refuse profiles of frames that training changes: a profile is measured once."""
    encoder = config.encoder
    if config.profile_s and encoder.frozen and len(encoder.layers) > 1 and not encoder.concat_layers:
        raise SettingsError(
            f"recipe {recipe.name}: profile_s standardises frames, but those of several layers are mixed with learned "
            "weights",
            "Set concat_layers = true.",
        )


def load_encoder(recipe: Recipe, source: str) -> Encoder:
    """Load the pre-trained encoder with the layers that the recipe uses."""
    settings: Any = recipe.network.get("encoder", {})
    layers = settings.get("layers", (-1,)) if isinstance(settings, Mapping) else None
    if not isinstance(layers, list | tuple):
        raise SettingsError(f"recipe {recipe.name}: network.encoder must be a table, and its layers a list of numbers")
    options = {name: settings[name] for name in ("frozen", "concat_layers") if name in settings}
    kind = settings.get("kind", "none")
    if kind in ("none", "mini", *HF_KINDS):  # whichever the source is
        return load_pretrained(source, tuple(layers), **options)
    config = EncoderConfig(kind, settings.get("architecture", {}), tuple(layers), **options)
    encoder = encoder_type(kind).from_pretrained(source, config)
    encoder.layer_indices()
    return encoder.freeze() if config.frozen else encoder.eval()
