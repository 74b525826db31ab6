from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def calls(tmp_path, write_wave, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmarks.baselines.find_spec", lambda name: None)  # openSMILE takes longer than all else
    write_wave("calls/a.wav", seconds=4.0)


@pytest.mark.usefixtures("calls")
def test_every_stage_is_measured_and_put_into_a_page(tmp_path, tiny_model, capsys):
    command = ["calls", "--model", str(tiny_model), "--repetitions", "1", "--page", "page.md", "--json"]
    assert main(command) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"decode", "VAD", "spectrogram", "MLCNN", "CSQ + head", "write"} <= result["stages_s"].keys()
    assert all(len(each["rates"]) == 1 and each["rates"][0] > 0 for each in result["end_to_end"].values())
    timings = result["end_to_end"]["pcqtool, VAD off"]["timings"]
    assert 0 < timings["busy"] <= timings["network"] <= timings["whole"]
    assert 0 < timings["decoding"] < timings["whole"]
    assert result["parts"]["whole"]["flops"] > 0
    assert result["warm_up_s"]["loading the model"] > 0
    assert result["agreement"]["labels equal"] == 1.0
    assert main(command) == 0
    page = (tmp_path / "page.md").read_text()
    assert page.count("\n## ") == 1
    assert page.startswith("# Benchmarks\n")


@pytest.mark.usefixtures("calls")
def test_hours_repeat_the_same_recordings(tiny_model, capsys):
    command = ["calls", "--model", str(tiny_model), "--rounds", "1", "--hours", "0.01", "--timeout", "0", "--json"]
    assert main(command) == 0
    about = json.loads(capsys.readouterr().out)["about"]
    assert about["hours labelled in a run of pcqtool"] == 0.01
    assert about["files"] == 1


@pytest.mark.usefixtures("calls")
def test_jobs_are_the_workers_and_the_cores_of_every_system(tiny_model, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.random_model.random_model", lambda folder, encoder, sample: tiny_model)
    assert main(["calls", "--random", "hubert", "--rounds", "1", "--jobs", "1", "--timeout", "0", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [each["workers"] for each in result["end_to_end"].values()] == [1, 1, 1, 1]
    about = result["about"]
    assert about["cores"] == about["threads of the network"] == about["decoding jobs"] == 1


@pytest.mark.usefixtures("calls")
def test_a_random_model_is_measured_against_its_targets(tiny_model, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.random_model.random_model", lambda folder, encoder, sample: tiny_model)
    assert main(["calls", "--random", "wavlm", "--rounds", "1"]) == 0
    section = capsys.readouterr().out
    assert "| end to end, times the plain loop, float32 | 4.00 |" in section
    assert "| labels equal to float32 on the CPU | 99.5% | 100.0% | yes |" in section
    assert "what limits it is" in section


@pytest.mark.parametrize("options", [["--random", "whisper"], ["--precision", "float8"], ["--jobs", "-1"], []])
def test_wrong_usage(tmp_path, monkeypatch, capsys, options):
    monkeypatch.chdir(tmp_path)
    assert main(options) == 2


def test_the_command_runs_from_the_root_of_the_repository():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--repetitions" in done.stdout
