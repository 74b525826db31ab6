from __future__ import annotations

from pcqtool.evaluation.ablation_study import BASELINE, ablation_variants, depth_variants
from pcqtool.training.recipe import FeatureDistillation, Recipe


def names(variants):
    return [variant.name for variant in variants]


def test_every_part_is_left_out_once():
    recipe = Recipe("r", {"encoder": {"layers": [2, 3], "frozen": True}, "dropout": 0.3})
    whole, pdc, csq, blind, mix, join, deaf, other = ablation_variants(recipe, "dir/whisper", ["dir/wavlm"])
    assert whole.recipe is recipe
    assert names([whole, pdc, csq, blind]) == [BASELINE, "w/o PDC", "w/o CSQ", "w/o MLCNN, so w/o CSQ"]
    assert names([mix, join]) == ["last layer for layer mix", "concatenated layers for layer mix"]
    assert pdc.recipe.network == {**recipe.network, "pdc": False}
    assert csq.recipe.network == {**recipe.network, "csq": False}
    assert blind.recipe.network == {**recipe.network, "mlcnn": False}
    assert join.recipe.network["encoder"] == {"layers": [2, 3], "frozen": True, "concat_layers": True}
    assert mix.recipe.network["encoder"] == {"layers": (-1,), "frozen": True}
    assert (deaf.encoder, deaf.recipe.network["encoder"]) == (None, {"kind": "none"})
    assert (other.name, other.encoder, other.recipe) == ("encoder wavlm", "dir/wavlm", recipe)
    assert all(variant.recipe.network["dropout"] == 0.3 for variant in (whole, pdc, csq, blind, mix, join, deaf, other))


def test_a_part_that_the_recipe_leaves_out_is_put_in():
    found = ablation_variants(Recipe("r", {"csq": False, "pdc": False, "encoder": {"kind": "mini"}}), None)
    assert names(found) == [BASELINE, "with PDC", "with CSQ", "w/o MLCNN, so w/o CSQ", "w/o encoder, so w/o CSQ"]
    assert found[2].recipe.network["csq"] is True


def test_imitation_is_for_variants_with_the_small_encoder():
    recipe = Recipe("r", {"encoder": {"kind": "mini", "frozen": True}}, feature_distillation=FeatureDistillation())
    *small, deaf, other = ablation_variants(recipe, None, ["dir/wavlm"])
    assert all(variant.recipe.feature_distillation is recipe.feature_distillation for variant in small)
    assert (deaf.recipe.feature_distillation, other.recipe.feature_distillation) == (None, None)


def test_without_an_encoder_there_is_nothing_to_query_with():
    assert names(ablation_variants(Recipe("r", {}), None)) == [BASELINE, "w/o PDC"]


def test_depths_are_cut_from_the_recipes_own():
    recipe = Recipe("r", {})
    found = depth_variants(recipe, None)
    assert names(found) == ["4 layers", "3 layers", "2 layers"]
    assert found[0].recipe is recipe
    assert [variant.recipe.network.get("mlcnn_channels") for variant in found] == [None, (16, 32, 48), (16, 32)]
    assert names(depth_variants(Recipe("r", {"mlcnn_channels": [4, 8]}), None)) == ["2 layers"]
