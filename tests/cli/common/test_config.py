from __future__ import annotations

import codecs
import json
import os
from typing import Annotated

import pytest
import typer

from pcqtool.cli.app import app
from pcqtool.cli.common import console


@pytest.fixture
def ends(pcqtool, monkeypatch):
    """Run ``pcqtool`` in this process, with a command ``knob`` for its settings."""
    monkeypatch.setattr(app, "registered_commands", [*app.registered_commands])

    @app.command()
    def knob(
        value: Annotated[int, typer.Option(envvar="PCQTOOL_JOBS")] = 1,
        many: Annotated[list[str] | None, typer.Option()] = None,
        flag: bool = False,
    ):
        console.info("a note")
        console.debug("a detail")
        console.print_text(json.dumps({"value": value, "many": many, "flag": flag}))

    return pcqtool


@pytest.fixture
def file(tmp_path):
    def write(text, name="settings.toml"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def value(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["value"]


def test_flag_beats_environment_beats_file_beats_default(ends, file):
    settings = file("[knob]\nvalue = 2\n")
    assert value(ends("knob")) == 1
    assert value(ends("knob", "--config", settings)) == 2
    assert value(ends("knob", "--config", settings, PCQTOOL_JOBS="3")) == 3
    assert value(ends("knob", "--config", settings, "--value", "4", PCQTOOL_JOBS="3")) == 4


def test_file_can_be_named_before_the_command_and_by_the_environment(ends, file):
    two, three, four = (file(f"[knob]\nvalue = {n}\n", f"{n}.toml") for n in (2, 3, 4))
    assert value(ends("knob", PCQTOOL_CONFIG=two)) == 2
    assert value(ends("--config", three, "knob", PCQTOOL_CONFIG=two)) == 3
    assert value(ends("--config", three, "knob", "--config", four, PCQTOOL_CONFIG=two)) == 4


def test_lists_scalars_and_flags(ends, file):
    got = json.loads(ends("knob", "--config", file('[knob]\nmany = ["a", "b"]\nflag = true\n')).stdout)
    assert (got["many"], got["flag"]) == (["a", "b"], True)
    assert json.loads(ends("knob", "--config", file('[knob]\nmany = "a"\n')).stdout)["many"] == ["a"]


def test_common_flags_on_top_or_in_the_table_yield_to_typed_ones(ends, file):
    top = file("quiet = true\n")
    assert ends("knob", "--config", top).stderr == ""
    assert ends("knob", "--config", file("[knob]\nquiet = true\n", "b.toml")).stderr == ""
    assert ends("knob", "--config", top, "-v").stderr == f"settings file: {top}\na note\na detail\n"


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("[knob]\nvalu = 2\n", "unknown key 'valu' in table [knob]", "Did you mean 'value'?"),
        ("[knop]\nvalue = 2\n", "unknown table 'knop'", "Did you mean 'knob'?"),
        ("[corpora.lst]\njson = true\n", "unknown table 'lst' in table [corpora.]", "Did you mean 'list'?"),
        ("[corpora.info]\nrooot = 'x'\n", "unknown key 'rooot' in table [corpora.info]", "Did you mean 'root'?"),
        ("config = 'x'\n", "unknown key 'config'", "Known here: debug, log, quiet, verbose."),
        ("[knob\n", "is not valid TOML", "Write a setting as"),
    ],
)
def test_wrong_file_names_itself_the_place_and_what_was_meant(ends, file, text, what, hint):
    settings = file(text)
    done = ends("knob", "--config", settings)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 2
    assert settings in done.stderr
    assert what.replace(".]", "]") in done.stderr
    assert hint in done.stderr


def test_wrong_value_names_the_file(ends, file):
    settings = file('[knob]\nvalue = "many"\n')
    done = ends("knob", "--config", settings)
    assert done.returncode == 2
    assert done.stderr.startswith("error: Invalid value for '--value'")
    assert f"(from {settings})" in done.stderr


def test_missing_and_undecodable_files(ends, tmp_path):
    missing = ends("knob", "--config", str(tmp_path / "none.toml"))
    assert missing.returncode == 2
    assert "none.toml: No such file or directory" in missing.stderr
    (tmp_path / "latin.toml").write_bytes(b"[knob] # \xe9")
    latin = ends("knob", "--config", str(tmp_path / "latin.toml"))
    assert latin.returncode == 2
    assert "not valid TOML" in latin.stderr


def test_help_works_beside_a_broken_file(ends, file):
    done = ends("knob", "--help", PCQTOOL_CONFIG=file("[knob\n"))
    assert done.returncode == 0
    assert "--value" in done.stdout


def test_dashes_and_underscores_are_the_same():
    from typer.main import get_command

    from pcqtool.cli.common import config
    from pcqtool.cli.common.program import Program

    app = Program()
    app.callback()(lambda: None)

    @app.command()
    def act(batch_size: int = 1) -> None: ...

    assert config._checked({"act": {"batch-size": 2}}, get_command(app), "f", "") == {"act": {"batch_size": "2"}}
    assert config._checked({"act": {"batch_size": 2}}, get_command(app), "f", "") == {"act": {"batch_size": "2"}}


TEXT = "[knob]\nvalue = 2\n"


def test_a_byte_order_mark_is_no_key(ends, tmp_path):
    (tmp_path / "bom.toml").write_bytes(codecs.BOM_UTF8 + TEXT.replace("\n", "\r\n").encode())
    assert value(ends("knob", "--config", str(tmp_path / "bom.toml"))) == 2


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (TEXT.encode("utf-16"), "is UTF-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "is UTF-16"),
        (TEXT.encode("utf-16-le"), "is UTF-16"),
        (TEXT.encode("utf-32"), "is UTF-16"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
        (b"a = " + b"{b=" * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b"a" + b".a" * 100_000 + b" = 1", "nested too deeply"),
        (b"x = {a" + b" . b-c" * 100_000 + b" = 1}", "nested too deeply"),
        (b"[" + b"a.'b'." * 50_000 + b"a]", "nested too deeply"),
        (b"[knob]\nvalue = " + b"9" * 100_000, "is not valid TOML"),
        (b"#" * 2_000_000, "is larger than 1 MB"),
        (b"[knob]\nvalue = 2026-01-31", "Invalid value for '--value'"),
        (b"[knob]\nvalue = [1, 2]", "value in table [knob] takes one value, not a list"),
        (b"[knob]\nmany = [['a']]", "many in table [knob] takes one value, not a list"),
        (b"[knob]\nmany = [{a = 1}]", "many in table [knob] takes one value, not a table"),
        (b'[knob]\nmany = "a\\u0000b"', "many in table [knob] is not text"),
        (b"[knob]\nvalue = ''", "value in table [knob] is empty"),
        (b"[knob]\nvalue = inf", "Invalid value for '--value'"),
        (b"[knob]\nflag = 3", "Invalid value for '--flag"),
    ],
)
def test_hostile_settings_are_usage_errors(ends, tmp_path, content, what):
    (tmp_path / "hostile.toml").write_bytes(content)
    done = ends("knob", "--config", str(tmp_path / "hostile.toml"))
    assert done.returncode == 2, done.stderr[-2000:]
    assert what in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 2


def test_a_date_where_text_is_due_is_the_text(ends, file):
    settings = file("[knob]\nmany = [2026-01-31, 2026-01-31T18:00:00, 18:00:00, 5, 0.5, true]\n")
    many = json.loads(ends("knob", "--config", settings).stdout)["many"]
    assert many == ["2026-01-31", "2026-01-31T18:00:00", "18:00:00", "5", "0.5", "true"]


@pytest.mark.parametrize("place", [".", os.devnull, "/dev/zero", "/proc/self/mem", "x" * 5000, "no\nfile"])
def test_what_is_no_settings_file_is_a_usage_error(ends, place):
    done = ends("knob", "--config", place)
    if place == os.devnull:  # no settings at all
        assert value(done) == 1
    else:
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.splitlines()) == 2


@pytest.fixture
def found(tmp_path):
    """Settings files where they are found: value 5 in the current directory, value 6 in the user's folder."""
    (tmp_path / "pcqtool.toml").write_text("[knob]\nvalue = 5\n")
    (tmp_path / "etc" / "pcqtool").mkdir(parents=True)
    (tmp_path / "etc" / "pcqtool" / "pcqtool.toml").write_text("[knob]\nvalue = 6\n")
    return {"XDG_CONFIG_HOME": str(tmp_path / "etc")}


def test_a_file_is_found_here_or_else_in_the_folder_of_the_user(ends, found, tmp_path):
    assert value(ends("knob", **found)) == 5
    assert value(ends("knob", **found, PCQTOOL_JOBS="3")) == 3
    assert value(ends("knob", "--value", "4", **found, PCQTOOL_JOBS="3")) == 4
    (tmp_path / "pcqtool.toml").unlink()
    assert value(ends("knob", **found)) == 6
    assert value(ends("knob")) == 1
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")}
    (tmp_path / "etc").rename(tmp_path / ".config")
    assert value(ends("knob", **home)) == 6


def test_a_named_file_or_an_empty_variable_ends_the_search(ends, found, file):
    two = file("[knob]\nflag = true\n", "two.toml")
    for options, variables in (
        (["--config", two], {}),
        ([], {"PCQTOOL_CONFIG": two}),
        (["--config", os.devnull], {}),
        ([], {"PCQTOOL_CONFIG": ""}),
    ):
        assert value(ends(*options, "knob", **found, **variables)) == 1
        assert value(ends("knob", *options, **found, **variables)) == 1
    assert value(ends("knob", "--config", file("[knob]\nvalue = 2\n"), **found, PCQTOOL_CONFIG="")) == 2


def test_verbose_names_the_file_that_is_used(ends, found, file):
    assert ends("knob", "-v", **found).stderr == "settings file: pcqtool.toml\na note\na detail\n"
    assert ends("knob", **found).stderr == "a note\n"
    assert ends("-v", "knob", **found, PCQTOOL_CONFIG="").stderr == "a note\na detail\n"


def test_what_is_wrong_in_a_found_file_names_it(ends, tmp_path):
    (tmp_path / "pcqtool.toml").write_text("[knob]\nvalu = 2\n")
    done = ends("knob")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: pcqtool.toml: unknown key 'valu' in table [knob]\nDid you mean 'value'?\n"
    (tmp_path / "pcqtool.toml").write_text('[knob]\nvalue = "many"\n')
    assert "(from pcqtool.toml)" in ends("knob").stderr
    assert ends("knob", "--help").returncode == 0


def test_a_folder_of_that_name_or_a_relative_folder_of_the_user_is_not_used(ends, tmp_path):
    (tmp_path / "pcqtool.toml").mkdir()
    (tmp_path / "pcqtool").mkdir()
    (tmp_path / "pcqtool" / "pcqtool.toml").write_text("[knob]\nvalue = 6\n")
    assert value(ends("knob", XDG_CONFIG_HOME="")) == 1
