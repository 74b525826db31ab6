"""The variants of a recipe that a study compares: the paper's ablations (Table 4) and depths (Fig. 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pcqtool.training.recipe import Recipe

DEPTHS = (2, 3, 4)
WHOLE = "the recipe as it is"


@dataclass(frozen=True)
class Variant:
    """A recipe with one thing changed.

    Attributes:
        name: what is different.
        recipe: with the change.
        encoder: directory or Hub id of its pre-trained encoder; None where it has none.
    """

    name: str
    recipe: Recipe
    encoder: str | None


def ablations(recipe: Recipe, encoder: str | None, others: Sequence[str] = ()) -> list[Variant]:
    """Give the recipe as it is, then one variant for each part that can be left out, or put in where it is missing.

    Args:
        recipe: the settings.
        encoder: directory or Hub id of the pre-trained encoder that it builds on.
        others: encoders to put in its place.
    """
    plain = replace(recipe, feature_distillation=None)  # which is for the encoder mini
    listens = encoder is not None or _encoder(recipe).get("kind", "none") != "none"
    variants = [Variant(WHOLE, recipe, encoder), Variant(*_switch(recipe, "pdc", "PDC"), encoder)]
    if listens:
        variants.append(Variant(*_switch(recipe, "csq", "CSQ"), encoder))
        variants += [Variant(*_switch(recipe, "mlcnn", "MLCNN, so w/o CSQ"), encoder)]
        variants += [Variant(name, _change(recipe, encoder=change), encoder) for name, change in _layers(recipe)]
        variants.append(Variant("w/o encoder, so w/o CSQ", _change(plain, encoder={"kind": "none"}), None))
    return variants + [Variant(f"encoder {Path(other).name}", plain, other) for other in others]


def depths(recipe: Recipe, encoder: str | None) -> list[Variant]:
    """Give a variant for each number of MLCNN's layers, up to the recipe's own, which comes first."""
    from pcqtool.model.pcq import PCQConfig

    channels = tuple(recipe.network.get("mlcnn_channels", PCQConfig.mlcnn_channels))
    own = [depth for depth in reversed(DEPTHS) if depth <= len(channels)]
    return [
        Variant(
            f"{depth} layers", recipe if depth == own[0] else _change(recipe, mlcnn_channels=channels[:depth]), encoder
        )
        for depth in own
    ]


def _encoder(recipe: Recipe) -> Mapping[str, Any]:
    encoder: Mapping[str, Any] = recipe.network.get("encoder", {})
    return encoder


def _layers(recipe: Recipe) -> list[tuple[str, Mapping[str, Any]]]:
    """Take the last layer instead of several; mix instead of join, or join instead of mix."""
    encoder = _encoder(recipe)
    if len(encoder.get("layers", ())) < 2:
        return []
    name, other = (
        ("joined layers", "layer mix") if encoder.get("concat_layers", False) else ("layer mix", "joined layers")
    )
    return [
        (f"last layer for {name}", {**encoder, "layers": (-1,)}),
        (f"{other} for {name}", {**encoder, "concat_layers": name == "layer mix"}),
    ]


def _switch(recipe: Recipe, part: str, title: str) -> tuple[str, Recipe]:
    """Leave a part out; or put it in, where the recipe leaves it out."""
    has = recipe.network.get(part, True)
    return f"{'w/o' if has else 'with'} {title}", _change(recipe, **{part: not has})


def _change(recipe: Recipe, **changes: Any) -> Recipe:
    return replace(recipe, network={**recipe.network, **changes})
