from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.errors import SettingsError
from pcqtool.evaluation.ablation_study import StudySetting, Variant, ablation_variants, run_study, table
from pcqtool.splits import find_protocol
from pcqtool.training.network_config import configure
from pcqtool.training.recipe import FeatureDistillation, Recipe
from tests.json_schemas import check_json

NETWORK = {"spectrogram_pool": [8, 4], "classifier_hidden": [8], "mlcnn_channels": [4, 8], "mlcnn_strides": [2, 2]}
RECIPE = Recipe("toy", NETWORK, epochs=1, batch_size=8, n_augmented=0, warmup_steps=0)


@pytest.fixture(scope="module")
def setting(toy_root):
    utterances, protocol = Manifest(toy_root).utterances(), find_protocol("loso")
    return StudySetting("manifest", utterances, protocol, {0: protocol.folds(utterances, 0)}, torch.device("cpu"))


@pytest.fixture(scope="module")
def study(setting, tmp_path_factory):
    """A study that has run, and its folder."""
    out = tmp_path_factory.mktemp("study")
    return run_study("ablations", ablation_variants(RECIPE, None), setting, out, lambda n, name: None), out


def test_variants_are_compared_with_the_first(study):
    found, out = study
    assert json.loads((out / "ablations.json").read_text()) == found
    check_json(found)
    assert (found["study"], found["corpus"], found["protocol"], found["leaks"]) == (
        "ablations",
        "manifest",
        "loso",
        False,
    )
    whole, pdc = found["variants"]
    assert "against_first" not in whole
    against = pdc["against_first"]["ua"]
    assert against["difference"] == pytest.approx(pdc["pooled"]["ua"] - whole["pooled"]["ua"])
    low, high = against["interval"]
    assert low <= against["difference"] <= high
    assert {path.name for path in out.iterdir()} == {"ablations.json", "unchanged-recipe", "wo-PDC"}


def test_what_is_done_is_not_done_again(study, setting, monkeypatch):
    found, out = study
    monkeypatch.setattr("pcqtool.training.experiment.Experiment.__init__", None)  # whoever trains fails
    told = []
    again = run_study("ablations", ablation_variants(RECIPE, None), setting, out, lambda n, name: told.append(n))
    assert again == found
    assert told == [4, 4]


@pytest.mark.parametrize("name", ["metrics.json", "predictions.parquet", "done.json"])
@pytest.mark.parametrize("cut", [0, 100, -2])
def test_a_variant_that_is_damaged_is_made_again_of_its_folds(study, setting, monkeypatch, name, cut):
    found, out = study
    path = out / "wo-PDC" / name
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    monkeypatch.setattr("pcqtool.training.experiment.Experiment.train", None)  # whoever trains fails
    again = run_study("ablations", ablation_variants(RECIPE, None), setting, out, lambda n, name: None)
    assert [row["pooled"] for row in again["variants"]] == [row["pooled"] for row in found["variants"]]
    assert [row.get("against_first") for row in again["variants"]] == [
        row.get("against_first") for row in found["variants"]
    ]
    if name != "metrics.json":  # which holds the time of day
        assert path.stat().st_size == len(whole)


def test_a_figure_that_was_changed_is_not_taken_over(study, setting):
    found, out = study
    path = out / "wo-PDC" / "metrics.json"
    path.write_text(path.read_text().replace('"wa": 0.', '"wa": 0.9', 1))
    again = run_study("ablations", ablation_variants(RECIPE, None), setting, out, lambda n, name: None)
    assert again["variants"][1]["pooled"] == found["variants"][1]["pooled"]


def test_another_recipe_is_run_anew(study, setting, tmp_path):
    _, out = study
    before = (out / "wo-PDC" / "metrics.json").stat().st_mtime_ns
    run_study("ablations", ablation_variants(replace(RECIPE, lr=2e-3), None), setting, out, lambda n, name: None)
    assert (out / "wo-PDC" / "metrics.json").stat().st_mtime_ns > before


def test_a_variant_that_cannot_be_trained_is_told_before_the_first_is(setting, tmp_path):
    blind = Variant("blind", replace(RECIPE, network={"encoder": {"kind": "whisper"}}), None)
    with pytest.raises(SettingsError, match="builds on a pre-trained encoder"):
        run_study("ablations", [Variant("whole", RECIPE, None), blind], setting, tmp_path, lambda n, name: None)
    assert not list(tmp_path.iterdir())


def test_every_variant_of_a_recipe_that_imitates_can_be_trained(tiny_whisper):
    small = {"kind": "mini", "frozen": True, "architecture": {"dim": 16, "n_blocks": 1, "n_mels": 16}}
    recipe = replace(RECIPE, network=NETWORK | {"encoder": small}, feature_distillation=FeatureDistillation())
    for variant in ablation_variants(recipe, None, [str(tiny_whisper)]):
        configure(("anger", "fear"), variant.recipe, variant.encoder, str(tiny_whisper))


def test_the_table_has_a_row_for_each_variant(study):
    whole, pdc = table(study[0])
    assert whole[0] == "unchanged recipe"
    assert whole[3:] == ("", "")
    assert pdc[3][0] in "+-"
