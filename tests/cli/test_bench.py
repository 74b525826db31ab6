from __future__ import annotations

import json

import pytest

from pcqtool.cli import app


@pytest.fixture
def calls(tmp_path, write_wave, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pcqtool.bench.network.LEAST_S", 0.01)
    monkeypatch.setattr("pcqtool.bench.network.SIZES", {"cpu": (64,)})
    write_wave("calls/a.wav", seconds=4.0)


@pytest.mark.usefixtures("calls")
def test_bench_measures_every_stage_and_puts_it_into_a_page(tmp_path, tiny_model, capsys):
    command = ["bench", "calls", "--model", str(tiny_model), "--rounds", "1", "--page", "page.md", "--json"]
    assert app.main(command) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"decode", "VAD", "spectrogram", "MLCNN", "CSQ + head", "write"} <= result["stages_s"].keys()
    assert all(len(each["rates"]) == 1 and each["rates"][0] > 0 for each in result["end_to_end"].values())
    marks = result["end_to_end"]["pcqtool, VAD off"]["marks"]
    assert 0 < marks["busy"] <= marks["network"] <= marks["whole"]
    assert result["parts"]["whole"]["flops"] > 0
    assert result["warm_up_s"]["loading the model"] > 0
    assert result["agreement"]["labels equal"] == 1.0
    assert app.main(command) == 0
    page = (tmp_path / "page.md").read_text()
    assert page.count("\n## ") == 1
    assert page.startswith("# Benchmarks\n")


@pytest.mark.usefixtures("calls")
def test_hours_are_made_of_the_same_recordings(tiny_model, capsys):
    command = ["bench", "calls", "--model", str(tiny_model), "--rounds", "1", "--hours", "0.01", "--timeout", "0"]
    assert app.main([*command, "--json"]) == 0
    about = json.loads(capsys.readouterr().out)["about"]
    assert about["hours labelled in a run of pcqtool"] == 0.01
    assert about["files"] == 1


@pytest.mark.usefixtures("calls")
def test_a_random_model_is_measured_against_its_goals(tiny_model, monkeypatch, capsys):
    monkeypatch.setattr("pcqtool.bench.random_model.random_model", lambda folder, encoder, sample: tiny_model)
    assert app.main(["bench", "calls", "--random", "wavlm", "--rounds", "1"]) == 0
    section = capsys.readouterr().out
    assert "| end to end, times the plain loop, float32 | 4.00 |" in section
    assert "| labels equal to float32 on the CPU | 99.5% | 100.0% | yes |" in section
    assert "what limits it is" in section


@pytest.mark.parametrize("options", [["--random", "whisper"], ["--precision", "float8"], []])
def test_wrong_usage(tmp_path, monkeypatch, capsys, options):
    monkeypatch.chdir(tmp_path)
    assert app.main(["bench", *options]) == 2
