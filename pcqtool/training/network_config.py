"""The network that a recipe describes, checked before any recording is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.errors import ModelError, SettingsError
from pcqtool.model.directory import ModelConfig, network_config_from_json
from pcqtool.model.encoders.pretrained import PretrainedEncoder, load_pretrained
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.training.recipe import Recipe


def configure(
    labels: tuple[str, ...], recipe: Recipe, encoder: str | None, teacher: str | None
) -> tuple[PCQConfig, PretrainedEncoder | None]:
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


def network_config(labels: tuple[str, ...], recipe: Recipe, encoder: PretrainedEncoder | None) -> PCQConfig:
    """Return the network's configuration, with the pre-trained encoder's where there is one.

    Raises:
        SettingsError: if the recipe lacks an encoder, or describes a network that does not work.
    """
    entries = dict(recipe.network) if encoder is None else {**recipe.network, "encoder": vars(encoder.config)}
    try:
        config = network_config_from_json(ModelConfig(recipe.name, labels, entries))
        if encoder is None and config.encoder.kind not in ("none", "mini"):
            raise SettingsError(
                f"recipe {recipe.name} builds on a pre-trained encoder", "Name its directory or Hub id with --encoder."
            )
        _check_profile(recipe, config)
        with torch.inference_mode():
            PCQ(config).eval()(torch.zeros(1, SEGMENT_SAMPLES))
    except ModelError as error:
        raise SettingsError(f"recipe {recipe.name}: {error.what}", error.hint) from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingsError(f"recipe {recipe.name} describes a network that does not work: {error}") from error
    return config


def _check_profile(recipe: Recipe, config: PCQConfig) -> None:
    """Refuse profiles of frames that training changes: a profile is measured once."""
    encoder = config.encoder
    if config.profile_s and encoder.frozen and len(encoder.layers) > 1 and not encoder.concat_layers:
        raise SettingsError(
            f"recipe {recipe.name}: profile_s standardises frames, but those of several layers are mixed with learned "
            "weights",
            "Set concat_layers = true.",
        )


def load_encoder(recipe: Recipe, source: str) -> PretrainedEncoder:
    """Load the pre-trained encoder with the layers that the recipe uses."""
    settings: Any = recipe.network.get("encoder", {})
    layers = settings.get("layers", (-1,)) if isinstance(settings, Mapping) else None
    if not isinstance(layers, list | tuple):
        raise SettingsError(f"recipe {recipe.name}: network.encoder must be a table, and its layers a list of numbers")
    options = {name: settings[name] for name in ("frozen", "concat_layers") if name in settings}
    return load_pretrained(source, tuple(layers), **options)
