from __future__ import annotations

from dataclasses import replace

import pytest

from pcqtool.errors import SettingsError
from pcqtool.training.network_config import configure
from pcqtool.training.recipe import Distillation


@pytest.mark.parametrize(
    "network",
    [
        {"channel": [4, 8]},
        {"mlcnn_channels": [4, 7]},
        {"spectrogram_pool": 8},
        {"spectrogram_pool": [800, 4]},
        {"encoder": {"kind": "wavelm"}},
        {"encoder": {"kind": "mini", "architecture": {"widht": 4}}},
        {"encoder": {"kind": "mini", "layers": [9]}},
        {"encoder": 3},
        {"encoder": {"kind": "mini", "layers": [0, 1], "frozen": True}, "profile_s": 30.0},
    ],
    ids=str,
)
def test_a_network_that_cannot_be_built_is_the_recipes_fault(toy_recipe, network):
    recipe = toy_recipe()
    with pytest.raises(SettingsError, match="recipe toy"):
        configure(("anger", "fear"), replace(recipe, network={**recipe.network, **network}), None, None)


def test_a_recipe_that_is_taught_needs_a_teacher(toy_recipe):
    recipe = toy_recipe(distillation=Distillation())
    assert recipe.needs_teacher
    with pytest.raises(SettingsError, match="learns from a teacher"):
        configure(("anger", "fear"), recipe, None, None)
    assert not toy_recipe(distillation=None).needs_teacher
