from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from pcqtool.errors import SettingsError
from pcqtool.training.augmentation import Augmentations
from pcqtool.training.recipe import (
    TABLES,
    Distillation,
    FeatureDistillation,
    ProfileSimulation,
    Recipe,
    SpecAugment,
    bundled_recipes,
    load_recipe,
)


@pytest.fixture
def load(tmp_path):
    """Write a TOML file and read it as a recipe."""

    def read(text: str, **changes):
        (tmp_path / "mine.toml").write_text(text)
        return load_recipe(str(tmp_path / "mine.toml"), **changes)

    return read


def test_the_bundled_recipes_recipes_are_sound():
    assert {"best", "mini", "paper"} <= set(bundled_recipes())
    for name in bundled_recipes():
        recipe = load_recipe(name)
        assert recipe.name == name
        assert json.loads(json.dumps(recipe.to_dict()))["epochs"] == recipe.epochs
    assert load_recipe("mini").network["encoder"]["kind"] == "mini"
    assert load_recipe("mini").distillation is not None
    assert (load_recipe("paper").lr, load_recipe("paper").n_augmented, load_recipe("paper").distillation) == (
        1e-5,
        0,
        None,
    )


def test_a_file_says_what_differs(load):
    recipe = load(
        "epochs = 3\nlr = 1\n[network]\nspectrogram_pool = [8, 4]\n"
        "[augmentations]\nspeed = 0.1\nsnr_db = [5, 30]\n[distillation]\nlayers = [1]\n"
    )
    assert recipe == Recipe(
        "mine",
        {"spectrogram_pool": [8, 4]},
        epochs=3,
        lr=1,
        augmentations=Augmentations(speed=0.1, snr_db=(5, 30)),
        distillation=Distillation(layers=(1,)),
    )
    assert load('name = "ours"').name == "ours"


def test_changes_win_and_none_is_no_change(load):
    recipe = load("epochs = 3\nseed = 4", epochs=None, seed=9)
    assert (recipe.epochs, recipe.seed) == (3, 9)
    with pytest.raises(SettingsError, match="epochs"):
        load("", epochs=0)


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("epoch = 3", "a recipe has no setting 'epoch'", "epochs"),
        ("[augmentations]\npitch = 1", r"\[augmentations\] has no setting 'pitch'", "speed"),
        ("[distillation]\nlayer = [2]", r"\[distillation\] has no setting 'layer'", "layers"),
        ("epochs = 2.5", "epochs cannot be 2.5", "60"),
        ('epochs = "many"', "epochs cannot be 'many'", "60"),
        ("epochs = true", "epochs cannot be True", "60"),
        ("class_weighting = 1", "class_weighting cannot be 1", "True"),
        ('lr = "fast"', "lr cannot be 'fast'", "0.001"),
        ("name = 3", "name cannot be 3", ""),
        ("network = 3", "network cannot be 3", ""),
        ("augmentations = 3", r"\[augmentations\] must be a table, not 3", ""),
        ("[distillation]\nlayers = 2", "layers cannot be 2", r"\(2, 3\)"),
        ("[distillation]\nlayers = [2.5]", "layers cannot be", r"\(2, 3\)"),
        ("[distillation]\nlayers = []", "layers", ""),
        ("[distillation]\ntemperature = 0", "temperature", ""),
        ("[distillation]\nkd_weight = -1", "kd_weight", ""),
        ("[feature_distillation]\nlayers = []", "feature_distillation: layers", ""),
        ("[feature_distillation]\nepochs = 0", "feature_distillation: epochs", ""),
        ("[feature_distillation]\ncrop_s = 3.5", "feature_distillation: crop_s must be from 0.5 to 3.0", ""),
        ("[feature_distillation]\nlr = 0", "lr positive", ""),
        ("[feature_distillation]\nmean_weight = -1", "feature_distillation: weight_decay and mean_weight", ""),
        ("[augmentations]\nspeed = 2", "speed", ""),
        ("epochs = 0", "epochs", ""),
        ("n_augmented = -1", "n_augmented", ""),
        ("seed = -1", "seed", ""),
        ("lr = 0", "lr", ""),
        ("lr = nan", "lr", ""),
        ("encoder_lr = -1", "encoder_lr", ""),
        ("max_grad_norm = 0", "max_grad_norm", ""),
        ("ema = 1", "ema", ""),
        ("label_smoothing = 1", "label_smoothing", ""),
        ("mixup = -1", "mixup", ""),
        ('schedule = "step"', "unknown schedule 'step'", "cosine"),
        ('aggregation = "median"', "unknown aggregation 'median'", "mean-log"),
        ("grad_accumulation = 0", "grad_accumulation", ""),
        (
            "batch_size = 1\n[network]\nfusion_batch_norm = true",
            "fusion_batch_norm needs a batch_size of 2 or more",
            "variance",
        ),
        ("layer_decay = 0", "layer_decay", ""),
        ('precision = "double"', "unknown precision 'double'", "bfloat16"),
        ("[specaugment]\ntime_mask = 2", "specaugment", ""),
        ("[profiles]\np_none = 2", "profiles: p_none and p_speaker", ""),
        ("[profiles]\nmax_batches = 0", "max_batches and max_utterances must be 1", ""),
        ("[profiles]\nmax_utterances = 2.5", "max_utterances cannot be 2.5", "400"),
        ('calibration = "guess"', "unknown calibration 'guess'", "corpora"),
        ("[feature_distillation]\nframe_pool = 0", "frame_pool must be 1 or more", ""),
        ("[specaugment]\nwidth = 2", r"\[specaugment\] has no setting 'width'", "n_time_masks"),
        ('[augmentations]\ncodecs = ["morse"]', "morse", "mulaw"),
        ("epochs = = 3", "mine.toml", ""),
    ],
)
def test_what_cannot_be_is_refused_with_the_file_and_the_setting(load, text, said, hint):
    with pytest.raises(SettingsError, match=said) as caught:
        load(text)
    assert "mine.toml" in caught.value.what
    assert hint.replace("\\", "") in caught.value.hint


def test_what_is_no_recipe_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="recipe 'maxi' cannot be found") as caught:
        load_recipe("maxi")
    assert "mini, mini-emodb, paper" in caught.value.hint
    with pytest.raises(SettingsError):
        load_recipe(str(tmp_path))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="bytes"):
        load_recipe(str(tmp_path / "bytes"))


@pytest.mark.parametrize(
    "kind", [Recipe, Augmentations, SpecAugment, ProfileSimulation, Distillation, FeatureDistillation]
)
def test_every_setting_is_explained_with_its_default(kind):
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    explained = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))
    for each in fields(kind):
        if each.name in ("name", "network", *TABLES):
            continue
        if each.default == "":
            assert f"| `{each.name}` | |" in text, each.name
            continue
        default = str(list(each.default) if isinstance(each.default, tuple) else each.default)
        shown = default.lower() if isinstance(each.default, bool) else default
        assert f"| `{each.name}` | `{shown}` |" in text, each.name
        assert each.name in explained


def test_a_recipe_names_what_it_builds_on_and_learns_from():
    best, mini = load_recipe("best"), load_recipe("mini")
    assert best.encoder_and_teacher() == ("openai/whisper-base", "openai/whisper-base")
    assert best.encoder_and_teacher("mine") == ("mine", "mine")
    assert best.encoder_and_teacher(None, "wise") == ("openai/whisper-base", "wise")
    assert mini.encoder_and_teacher() == (None, "openai/whisper-base")
    assert mini.encoder_and_teacher(None, "wise") == (None, "wise")
    assert Recipe("own").encoder_and_teacher() == (None, None)


def test_a_small_corpus_gets_more_epochs_and_patience_in_proportion():
    recipe = Recipe("toy", epochs=6, patience=3, min_draws=1000)
    assert recipe.for_corpus(1000) == recipe
    small = recipe.for_corpus(99)
    assert (small.epochs, small.patience) == (11, 6)
    assert small.for_corpus(99) == small
    assert Recipe("toy").for_corpus(1).epochs == Recipe("toy").epochs


def test_epochs_that_the_user_asks_for_are_not_raised():
    assert load_recipe("best").for_corpus(500).epochs == 40
    for changed in (load_recipe("best", epochs=2), load_recipe("best", {"epochs": 2})):
        assert changed.for_corpus(500).epochs == 2
    assert load_recipe("best", {"epochs": 2, "min_draws": 2000}).for_corpus(500).epochs == 4
