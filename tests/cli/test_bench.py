from __future__ import annotations

import json

import pytest

from pcqtool.cli import app


def test_bench_measures_every_stage_and_adds_to_a_page(tmp_path, write_wave, tiny_model, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_wave("calls/a.wav", seconds=4.0)
    command = ["bench", "calls", "--model", str(tiny_model), "--rounds", "1", "--page", "page.md", "--json"]
    assert app.main(command) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"decode", "VAD", "spectrogram", "MLCNN", "encoder", "CSQ + head", "write"} <= result["stages_s"].keys()
    assert all(len(runs) == 1 and runs[0] > 0 for runs in result["runs_s"].values())
    assert result["flops"]["share"] > 0
    assert app.main(command) == 0
    assert (tmp_path / "page.md").read_text().count("## ") == 2


@pytest.mark.parametrize("options", [["--random", "whisper"], ["--precision", "float8"], []])
def test_wrong_usage(tmp_path, monkeypatch, capsys, options):
    monkeypatch.chdir(tmp_path)
    assert app.main(["bench", *options]) == 2
