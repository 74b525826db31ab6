"""Each recipe names a network of the distribution, with settings that it has."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from pkgutil import resolve_name

import pytest

from pcqtool.training.recipe import load_recipe

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
NETWORKS = PROJECT["entry-points"]["pcqtool.networks"]
RECIPES = sorted(Path(str(each)) for each in files("pcqtool_rivals").iterdir() if each.name.endswith(".toml"))


def test_every_network_has_a_recipe() -> None:
    assert {load_recipe(str(path)).network["kind"] for path in RECIPES} == set(NETWORKS)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_settings_are_those_of_the_network(path: Path) -> None:
    recipe = load_recipe(str(path))
    settings = dict(recipe.network)
    settings.pop("encoder", None)
    network = resolve_name(NETWORKS[settings.pop("kind")])
    assert settings.items() <= vars(network.config_class(("anger", "neutral"), **settings)).items()
    assert bool(recipe.encoder) == ("encoder" in recipe.network)
