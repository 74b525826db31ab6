from __future__ import annotations

import json
import re
import tomllib

import pytest

from pcqtool.cli.app import program
from pcqtool.cli.common import config, settings_text


@pytest.fixture
def settings(tmp_path):
    """A settings file in the current directory."""
    text = (
        'quiet = true\n[label]\njobs = 2\nmodel = "pcq-mini"\nencoder_dir = ["a", "b"]\n[corpora.list]\njson = true\n'
    )
    (tmp_path / "pcqtool.toml").write_text(text)


def shown(done):
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return found["file"], {
        (each["command"], each["option"]): (each["value"], each["source"], each["name"]) for each in found["settings"]
    }


def test_show_names_everything_that_the_file_or_the_environment_sets(pcqtool, settings):
    file, found = shown(pcqtool("config", "show", "--json", PCQTOOL_JOBS="3", PCQTOOL_LOG="text"))
    assert file == "pcqtool.toml"
    assert found["", "quiet"] == (True, "file", "pcqtool.toml")
    assert found["", "log"] == ("text", "environment", "PCQTOOL_LOG")
    assert found["label", "jobs"] == ("3", "environment", "PCQTOOL_JOBS")
    assert found["label", "model"] == ("pcq-mini", "file", "pcqtool.toml")
    assert found["label", "encoder-dir"] == (["a", "b"], "file", "pcqtool.toml")
    assert found["corpora list", "json"] == (True, "file", "pcqtool.toml")
    assert ("label", "log") not in found
    assert "default" not in {source for _, source, _ in found.values()}


def test_show_of_a_command_has_all_of_its_options(pcqtool, settings):
    _, found = shown(pcqtool("config", "show", "label", "--json"))
    assert {command for command, _ in found} == {"label"}
    assert found["label", "jobs"] == ("2", "file", "pcqtool.toml")
    assert found["label", "vad"] == ("on", "default", None)
    assert found["label", "max-duration"] == ("24h", "default", None)
    assert found["label", "restart"] == (False, "default", None)
    assert found["label", "quiet"] == (True, "file", "pcqtool.toml")
    assert not {"config", "help", "version"} & {option for _, option in found}


def test_show_is_a_table_that_says_where_values_come_from(pcqtool, settings):
    done = pcqtool("config", "show", PCQTOOL_JOBS="3")
    lines = [line.split(maxsplit=3) for line in done.stdout.splitlines()]
    assert lines[0] == ["command", "option", "value", "from"]
    assert ["label", "jobs", "3", "environment variable PCQTOOL_JOBS"] in lines
    assert ["label", "model", "pcq-mini", "file pcqtool.toml"] in lines
    assert done.stderr == ""  # quiet, by the file


def test_show_without_a_file(pcqtool, tmp_path):
    done = pcqtool("config", "show", XDG_CONFIG_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"no settings file: there is none at pcqtool.toml or {tmp_path}/pcqtool/pcqtool.toml\n"
    assert pcqtool("config", "show", PCQTOOL_CONFIG="").stderr == "no settings file: PCQTOOL_CONFIG is empty\n"
    assert pcqtool("config", "show", "corpora", "list").stdout.split()[:3] == ["option", "value", "from"]


@pytest.mark.parametrize("typed", [["labl"], ["corpora"], ["label", "more"]])
def test_show_of_what_is_no_command(pcqtool, typed):
    done = pcqtool("config", "show", *typed)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: no such command: {' '.join(typed)}\nCommands: label, ")


def test_a_sample_is_read_back(pcqtool, tmp_path):
    sample = pcqtool("config", "sample").stdout
    assert all(isinstance(value, dict) for value in tomllib.loads(sample).values())
    (tmp_path / "pcqtool.toml").write_text(sample)
    assert shown(pcqtool("config", "show", "--json"))[1] == {}
    for before, after in (
        ('#vad = "on"', 'vad = "off"'),
        ("#jobs = 0", "jobs = 2"),
        ('#batch-size = "N"', "batch-size = 8"),
    ):
        assert f"\n{before}\n" in sample
        sample = sample.replace(before, after, 1)
    read = tomllib.loads(sample)
    assert read["label"] == {"vad": "off", "jobs": 2, "batch-size": 8}
    (tmp_path / "pcqtool.toml").write_text(sample)
    _, found = shown(pcqtool("config", "show", "--json"))
    assert {option: value for (_, option), (value, _, _) in found.items()} == {
        "vad": "off",
        "jobs": "2",
        "batch-size": "8",
    }


def test_every_setting_of_the_sample_is_known_and_shows_its_default(tmp_path):
    sample = settings_text.sample(program())
    assert max(map(len, sample.splitlines())) <= settings_text.WIDTH
    (tmp_path / "all.toml").write_text(re.sub(r"(?m)^#(?! |$)", "", sample))
    root = program()
    config.check(tmp_path / "all.toml", root)
    tables = tomllib.loads((tmp_path / "all.toml").read_text())
    for path, command in settings_text.commands_of(root):
        table = tables
        for name in path:
            table = table.get(name, {})
        common = set(config.options_of(root))
        assert set(table) == set(config.options_of(command)) - common
    assert [tables["label"][name] for name in ("jobs", "json", "timeout", "hop")] == [0, False, "5m", "SECONDS"]
