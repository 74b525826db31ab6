from __future__ import annotations

import inspect
from dataclasses import replace

import pytest

from pcqtool.audio.reader import ReaderOptions
from pcqtool.errors import SettingsError
from pcqtool.labelling.settings import LabelSettings


@pytest.mark.parametrize(
    "changed",
    [
        LabelSettings(ReaderOptions(vad=False)),
        LabelSettings(ReaderOptions("mix")),
        LabelSettings(ReaderOptions(segment_s=2.0)),
        LabelSettings(aggregation="vote"),
        LabelSettings(min_speech=0.2),
        LabelSettings(min_confidence=0.5),
    ],
)
def test_what_changes_results_changes_the_fingerprint(config, provenance, changed):
    assert changed.provenance(config, "ab" * 32).fingerprint != provenance.fingerprint


def test_another_model_changes_the_fingerprint(config, provenance):
    assert LabelSettings().provenance(config, "cd" * 32).fingerprint != provenance.fingerprint


def test_what_changes_speed_alone_does_not(config, provenance):
    settings = LabelSettings(batch_size=7, jobs=3)
    assert settings.provenance(config, "ab" * 32).fingerprint == provenance.fingerprint


def test_the_models_rule_named_outright_is_the_same(config, provenance):
    settings = LabelSettings(aggregation=config.aggregation)
    assert settings.provenance(config, "ab" * 32).fingerprint == provenance.fingerprint


def test_the_model_has_its_own_rule(config):
    settings = LabelSettings()
    assert settings.provenance(replace(config, aggregation="duration"), "ab").aggregation == "duration"
    assert replace(settings, aggregation="vote").provenance(config, "ab").aggregation == "vote"


def test_impossible_rules_are_refused():
    with pytest.raises(SettingsError, match="median"):
        LabelSettings(aggregation="median")


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_a_minimum_of_confidence_is_a_probability(p):
    with pytest.raises(SettingsError, match="min_confidence must be from 0 to 1"):
        LabelSettings(min_confidence=p)


def test_without_a_minimum_of_confidence_the_settings_do_not_name_it(config, provenance):
    assert "min_confidence" not in provenance.settings
    assert LabelSettings(min_confidence=1).provenance(config, "ab" * 32).settings["min_confidence"] == 1.0


def test_the_command_has_the_same_defaults():
    from pcqtool.cli.label import label

    given = {name: parameter.default for name, parameter in inspect.signature(label).parameters.items()}
    settings = LabelSettings()
    assert (given["batch_size"], given["jobs"], given["aggregation"]) == (None, settings.jobs, None)
    assert (given["channels"], given["vad"] == "on") == (settings.reader_options.channels, settings.reader_options.vad)
