from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from pcqtool.errors import SettingsError
from pcqtool.model.directory import model_sha256
from pcqtool.report.model_facts import model_facts
from pcqtool.tables.provenance import Provenance

UNSEEN = [
    {"corpus": "RAVDESS", "speech": "acted", "n_classes": 4, "profile": "auto", "ua": 0.675, "ece": 0.05},
    {"corpus": "URDU", "speech": "natural, talk shows", "n_classes": 4, "profile": "off", "ua": 0.505, "ece": 0.15},
    {"corpus": "URDU", "speech": "natural, talk shows", "n_classes": 4, "profile": "auto", "ua": 0.528, "ece": 0.13},
    {"corpus": "damaged"},
    "damaged",
]


def provenance(directory, **settings):
    identity = {"model": directory.name, "model_sha256": model_sha256(directory), "labels": ("anger", "neutral")}
    return Provenance(**identity, fingerprint="f", aggregation="blend", settings=settings)


@pytest.fixture
def scored_model(profiled_model, tmp_path):
    directory = tmp_path / "scored"
    shutil.copytree(profiled_model, directory)
    (directory / "metrics.json").write_text(json.dumps({"unseen": UNSEEN}))
    return directory


@pytest.mark.parametrize(("profile", "ua"), [("off", 0.505), ("0123abcd", 0.528)])
def test_the_first_score_is_natural_speech_standardised_as_here(scored_model, profile, ua):
    facts = model_facts(provenance(scored_model, profile=profile), scored_model)
    assert (facts.main_score.corpus, facts.main_score.ua) == ("URDU", pytest.approx(ua))
    assert [score.corpus for score in facts.scores] == ["URDU", "URDU", "RAVDESS"]
    assert facts.trained_on == "nothing at all"


def test_a_model_that_is_not_at_hand_has_a_note(scored_model, tiny_model):
    facts = model_facts(provenance(scored_model))
    assert (facts.name, facts.main_score) == ("scored", None)
    assert "--model" in facts.note
    with pytest.raises(SettingsError, match="not the model"):
        model_facts(provenance(scored_model), tiny_model)


def test_a_bundled_model_is_found_by_name_unless_it_has_changed():
    from pcqtool.model.directory import find

    facts = model_facts(provenance(find("pcq-mini")))
    assert "not for commercial use" in facts.license
    assert "emodb" in facts.trained_on
    other = replace(provenance(find("pcq-mini")), model_sha256="0" * 64)
    assert "other weights" in model_facts(other).note
