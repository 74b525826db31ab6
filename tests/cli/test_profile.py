from __future__ import annotations

import json

import pytest

from pcqtool.cli import app
from pcqtool.model.profile_file import read_profile

pytestmark = pytest.mark.usefixtures("surroundings")


@pytest.fixture
def pcqtool_here(capsys, profiled_model):
    """Run a command in this process, with the model that uses profiles."""

    def run(command, *arguments):
        code = app.main([command, *map(str, arguments), "--vad", "off", "--model", str(profiled_model)])
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return run


@pytest.fixture
def calls(write_wave):
    for number in range(4):
        write_wave(f"calls/line-{number % 2}/{number}.wav", seconds=2.0, seed=number)


@pytest.mark.usefixtures("calls")
def test_what_was_measured_is_shown_and_label_uses_it(pcqtool_here, tmp_path):
    code, out, _ = pcqtool_here("profile", "calls", "--out", "calls.profile", "--by", "line-([0-9])")
    assert code == 0
    assert "8 s of the batch" in out
    assert "0 (4 s), 1 (4 s)" in out
    code, out, _ = pcqtool_here("profile", "calls", "--out", "again.profile", "--json")
    assert json.loads(out) == {
        "schema": "pcqtool.profile/1",
        "profile": "again.profile",
        "model": "profiled",
        "recordings": 4,
        "speech_s": 8.0,
        "groups": {},
    }
    code, out, _ = pcqtool_here("label", "calls", "--profile", "calls.profile", "--dry-run")
    assert "calls.profile: 4 recordings, 8 s of speech, 2 groups by line-([0-9])" in out
    assert not (tmp_path / "results.parquet").exists()
    code, _, err = pcqtool_here("label", "calls", "--profile", "calls.profile")
    assert (code, err) == (0, "")
    assert read_profile(tmp_path / "results.parquet.profile").by == "line-([0-9])"
    _, out, _ = pcqtool_here("label", "calls", "--dry-run", "--json")
    assert json.loads(out)["profile"].startswith("kept with the output: ")


@pytest.mark.usefixtures("calls")
def test_faults_are_told_in_two_lines(pcqtool_here, tmp_path):
    (tmp_path / "damaged.profile").write_text("dear diary")
    (tmp_path / "folder").mkdir()
    for command, expected in (
        (("label", "calls", "--profile", "damaged.profile"), 1),
        (("label", "calls", "--profile", "missing.profile"), 1),
        (("label", "calls", "--profile", "by=line"), 2),
        (("profile", "calls", "--by", "("), 2),
        (("profile", "nowhere"), 2),
        (("profile", "calls", "--out", "folder"), 1),
    ):
        code, out, err = pcqtool_here(*command)
        assert (code, out) == (expected, ""), err
        assert len(err.splitlines()) == 2, err
        assert "Traceback" not in err


@pytest.mark.usefixtures("calls")
def test_a_model_without_profiles_is_refused(tiny_model, capsys):
    assert app.main(["profile", "calls", "--model", str(tiny_model)]) == 2
    assert "uses no profile" in capsys.readouterr().err
