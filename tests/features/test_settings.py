from __future__ import annotations

import inspect

import pytest

from pcqtool.audio.reader import ReaderOptions
from pcqtool.errors import SettingsError
from pcqtool.features.settings import FEATURES, WHAT, FeatureSettings
from pcqtool.tables.feature_schema import feature_files_schema, feature_segments_schema


def fingerprint(settings, sha256="ab", more=None):
    return settings.provenance("name", sha256, more or {}).fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        FeatureSettings(what="spectrogram"),
        FeatureSettings(what="statistics", of="fusion"),
        FeatureSettings(what="frames"),
        FeatureSettings(what="frames", layer=1),
        FeatureSettings(ReaderOptions(vad=False)),
        FeatureSettings(min_speech=0.2),
    ],
)
def test_what_changes_results_changes_the_fingerprint(changed):
    assert fingerprint(changed) != fingerprint(FeatureSettings())


def test_the_origin_changes_it_too_and_what_changes_speed_alone_does_not():
    usual = fingerprint(FeatureSettings())
    assert (
        len({usual, fingerprint(FeatureSettings(), "cd"), fingerprint(FeatureSettings(), more={"architecture": 1})})
        == 3
    )
    assert fingerprint(FeatureSettings(batch_size=7, jobs=3)) == usual
    assert fingerprint(FeatureSettings(of="spectrogram")) == usual  # says nothing where statistics are not asked for


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"what": "mfcc"}, "mfcc"),
        ({"what": "statistics", "of": "statistics"}, "statistics"),
        ({"what": "fusion", "layer": 1}, "layer"),
        ({"what": "statistics", "of": "spectrogram", "layer": 1}, "layer"),
        ({"batch_size": 0}, "batch size"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(SettingsError, match=said):
        FeatureSettings(**wrong)


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("of", FEATURES)
def test_columns_are_those_of_the_schemas(what, of):
    """They are named before the network is there that knows how wide they are."""
    settings = FeatureSettings(what=what, of=of)
    shape = (3, 2) if settings.in_segments else None
    assert settings.columns() == {
        "files": feature_files_schema(settings.feature, 2).names,
        "segments": feature_segments_schema(settings.feature, shape).names,
    }


def test_the_command_has_the_same_defaults():
    from pcqtool.cli.extract import extract

    given = {name: parameter.default for name, parameter in inspect.signature(extract).parameters.items()}
    settings = FeatureSettings()
    for name in ("what", "of", "layer", "jobs"):
        assert given[name] == getattr(settings, name)
    assert (given["channels"], given["vad"] == "on") == (settings.reader_options.channels, settings.reader_options.vad)
