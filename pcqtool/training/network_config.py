"""The settings of the network that a recipe describes, checked before any recording is read."""

from __future__ import annotations

from typing import Any

import torch

from pcqtool.audio.segment import SEGMENT_SAMPLES
from pcqtool.errors import ModelError, SettingsError
from pcqtool.model.directory import ModelConfig, network_config_from_json
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.training.recipe import Recipe


def configure(labels: tuple[str, ...], recipe: Recipe, encoder: str | None, teacher: str | None) -> PCQConfig:
    """Give the network's settings, having seen that recipe, encoder and teacher go together; no recording is needed.

    Raises:
        SettingsError: if the recipe lacks a teacher or an encoder, or describes no network that works.
        ModelError: if the encoder cannot be loaded.
    """
    if recipe.needs_teacher and teacher is None:
        raise SettingsError(
            f"recipe {recipe.name} learns from a teacher",
            "Name a pre-trained encoder's directory with --teacher, or another --recipe.",
        )
    config = network_config(labels, recipe, encoder)
    if (recipe.feature_distillation is not None) != (config.encoder.kind == "mini" and config.encoder.frozen):
        raise SettingsError(
            f"recipe {recipe.name}: imitation is for a frozen encoder of kind mini, which is of no use without it"
        )
    return config


def network_config(labels: tuple[str, ...], recipe: Recipe, encoder: str | None) -> PCQConfig:
    """Make the network's settings from the recipe's, with a pre-trained encoder's where one is named.

    Raises:
        SettingsError: if the recipe lacks an encoder, or describes no network that works.
        ModelError: if the encoder cannot be loaded.
    """
    entries: dict[str, Any] = dict(recipe.network)
    if encoder is not None:
        settings = dict(entries.get("encoder", {}))
        layers = tuple(settings.pop("layers", (-1,)))
        wanted = {name: settings[name] for name in ("frozen", "concat_layers") if name in settings}
        entries["encoder"] = vars(load_pretrained(encoder, layers, **wanted).config)
    try:
        config = network_config_from_json(ModelConfig(recipe.name, labels, entries))
        if encoder is None and config.encoder.kind not in ("none", "mini"):
            raise SettingsError(
                f"recipe {recipe.name} builds on a pre-trained encoder", "Name its directory or Hub id with --encoder."
            )
        with torch.inference_mode():
            PCQ(config).eval()(torch.zeros(1, SEGMENT_SAMPLES))
    except ModelError as error:
        raise SettingsError(f"recipe {recipe.name}: {error.what}", error.hint) from error
    except (TypeError, ValueError, RuntimeError) as error:
        raise SettingsError(f"recipe {recipe.name} describes no network that works: {error}") from error
    return config
