from __future__ import annotations

import pytest

from pcqtool.batch.job import RunOptions, find_recordings, split_options
from pcqtool.batch.settings import BatchSettings
from pcqtool.errors import SettingsError


def test_options_go_to_the_settings_that_they_belong_to():
    given = {"channels": "mix", "max_channels": 3, "jobs": 2, "restart": True, "batch_size": None}
    settings, run = split_options(given, BatchSettings)
    assert (settings.reader_options.channels, settings.limits.max_channels, settings.jobs) == ("mix", 3, 2)
    assert settings.batch_size == BatchSettings().batch_size
    assert run == RunOptions(restart=True)


def test_defaults_are_those_of_the_settings():
    assert split_options({}, BatchSettings) == (BatchSettings(), RunOptions())


def test_an_unknown_option_is_named():
    with pytest.raises(TypeError, match="unknown option 'batchsize'"):
        split_options({"batchsize": 3}, BatchSettings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": "no-such-folder"}, "is not a directory"),
        ({"moved": True}, "--moved needs --root"),
        ({"moved": True, "root": ".", "restart": True}, "--restart"),
        ({"engine": "spark"}, "local or ray"),
        ({"engine": "ray", "max_failures": 1}, "--engine local only"),
        ({"workers": 2}, "--engine ray only"),
        ({"max_failures": -1}, "0 or more"),
    ],
    ids=str,
)
def test_options_that_contradict_each_other(options, message):
    with pytest.raises(SettingsError, match=message):
        RunOptions(**options)


def test_inputs_are_needed(tmp_path, write_wave):
    with pytest.raises(SettingsError, match="no inputs"):
        find_recordings([])
    path = write_wave("a.wav")
    found, root, skipped = find_recordings(path)
    assert ([each.path for each in found], root, skipped) == ([str(path)], str(path.parent), {})
