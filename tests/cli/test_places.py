"""``~`` where no shell expands it, and empty values."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import pytest
import typer

from pcqtool.cli.common.program import Program
from pcqtool.errors import SettingsError


@pytest.fixture
def place(monkeypatch, tmp_path):
    """Run a command with places of every kind, with a home; give what came to its function."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    app, got = Program(), SimpleNamespace()
    app.callback()(lambda: None)

    @app.command()
    def act(
        inputs: Annotated[list[str] | None, typer.Argument()] = None,
        out: Path = Path("out"),
        model: Annotated[str | None, typer.Option(envvar="PCQTOOL_MODEL")] = None,
        dirs: Annotated[list[Path] | None, typer.Option("--dir", envvar="PCQTOOL_ENCODERS")] = None,
    ) -> None:
        got.inputs, got.out, got.model, got.dirs = inputs, out, model, dirs

    def run(*arguments):
        typer.main.get_command(app).main(["act", *arguments], standalone_mode=False)
        return got

    return run


def test_places_begin_expand_home(place, tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setenv("PCQTOOL_MODEL", "~/model")
    monkeypatch.setenv("PCQTOOL_ENCODERS", "~/a:b:~/c")
    got = place("~/calls/*.wav", "b~", "--out=~/job:17/r.parquet")
    assert got.inputs == [str(home / "calls/*.wav"), "b~"]
    assert got.out == home / "job:17/r.parquet"
    assert got.model == str(home / "model")
    assert got.dirs == [home / "a", Path("b"), home / "c"]


def test_what_a_shell_found_here_stays(place, tmp_path):
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "a.wav").touch()
    (tmp_path / "~a.wav").touch()
    got = place("~", "~/a.wav", "~a.wav", "~nobody-of-this-name/x", "--out", "~/r.parquet", "--dir", "~/d")
    assert got.inputs == ["~", "~/a.wav", "~a.wav", "~nobody-of-this-name/x"]
    assert (got.out, got.dirs) == (tmp_path / "home" / "r.parquet", [tmp_path / "home" / "d"])


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        ([""], "an empty value"),
        (["--out", ""], "an empty value for --out"),
        (["--out="], "an empty value for --out"),
        (["--model", ""], "an empty value for --model"),
        (["--dir", "a", "--dir", ""], "an empty value for --dir"),
        (["a.wav", ""], "an empty value"),
    ],
)
def test_an_empty_value_is_a_variable_that_is_not_set(place, typed, what):
    with pytest.raises(SettingsError) as caught:
        place(*typed)
    assert caught.value.what == what
    assert "variable" in caught.value.hint


def test_the_settings_file_and_what_it_names_begin_expand_home(ends, tmp_path):
    (tmp_path / "s.toml").write_text("[knob]\nvalue = 7\n")
    for done in (
        ends("knob", "--config", "~/s.toml", HOME=str(tmp_path)),
        ends("knob", "--config=~/s.toml", HOME=str(tmp_path)),
        ends("knob", PCQTOOL_CONFIG="~/s.toml", HOME=str(tmp_path)),
    ):
        assert done.returncode == 0, done.stderr
        assert '"value": 7' in done.stdout


def test_a_result_lies_where_the_settings_say(pcqtool, tmp_path, write_wave, tiny_model):
    write_wave("calls/a.wav")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "model").symlink_to(tiny_model)
    settings = '[label]\nout = "~/job:17/r.parquet"\nmodel = "~/model"\nvad = "off"\njobs = 1\n'
    (tmp_path / "home" / "s.toml").write_text(settings)
    for _ in range(2):  # the second run reads what the first has written
        done = pcqtool("label", "calls", "--json", HOME=str(tmp_path / "home"), PCQTOOL_CONFIG="~/s.toml")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "home" / "job:17" / "r.parquet").is_file()
    assert not (tmp_path / "~").exists()
