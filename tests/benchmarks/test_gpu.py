from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu import page, requirements
from benchmarks.gpu.__main__ import LIMITS_S, main
from benchmarks.gpu.bench import LARGE
from benchmarks.gpu.journal import DONE, FAILED, SKIPPED, TIMED_OUT, Journal, Step, run_steps
from pcqtool.errors import SettingsError

ABOUT = {"device": "a GPU"}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal.jsonl", ABOUT)


def step(name, *figures, limit_s=60.0, error=None, calls=None):
    def measure():
        if calls is not None:
            calls.append(name)
        for each in figures:
            yield {"x": each}
        if error is not None:
            raise error

    return Step(name, limit_s, measure)


def states(journal):
    return {name: (attempt.state, len(attempt.figures)) for name, attempt in journal.attempts.items()}


def test_a_step_that_fails_leaves_its_reason_and_the_rest_goes_on(journal, tmp_path):
    run_steps([step("a", 1, 2), step("b", 3, error=ValueError("odd\nmore")), step("c", 4)], journal, 60.0)
    assert states(journal) == {"a": (DONE, 2), "b": (FAILED, 1), "c": (DONE, 1)}
    assert journal.attempts["b"].reason == "ValueError: odd"
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert lines[0] == {"about": ABOUT}
    assert [line["event"] for line in lines if line.get("step") == "a"] == ["begin", "figures", "figures", "end"]


def test_a_second_call_measures_what_is_not_done(journal, tmp_path):
    run_steps([step("a", 1), step("b", 2, error=ValueError())], journal, 60.0)
    journal.close()
    again, calls = Journal(tmp_path / "journal.jsonl", ABOUT), []
    run_steps([step("a", 9, calls=calls), step("b", 3, 4, calls=calls), step("c", calls=calls)], again, 60.0)
    assert calls == ["b", "c"]
    assert again.figures("a") == [{"x": 1}]
    assert again.figures("b") == [{"x": 3}, {"x": 4}]
    run_steps([step("a", 9, calls=calls)], again, 60.0, again=["a"])
    assert again.figures("a") == [{"x": 9}]


def test_a_run_that_was_cut_off_keeps_its_figures(journal, tmp_path):
    journal.add("a", "begin")
    journal.add("a", "figures", figures={"x": 1})
    journal.close()
    path = tmp_path / "journal.jsonl"
    path.write_text(path.read_text() + '{"step": "a", "eve')
    again = Journal(path, ABOUT)
    assert states(again) == {"a": ("cut off", 1)}
    run_steps([step("a", 2)], again, 60.0)
    assert states(Journal(path, None)) == {"a": (DONE, 1)}


def test_steps_past_the_budget_are_skipped_with_a_line(journal):
    ticks = iter([0.0, 0.0, 50.0, 50.0, 59.5])
    run_steps([step("a", 1), step("b", 2)], journal, 50.5, clock=lambda: next(ticks))
    assert states(journal) == {"a": (DONE, 1), "b": (SKIPPED, 0)}
    assert journal.attempts["b"].reason == "0 s of 50 s were left"


@pytest.mark.skipif(not hasattr(__import__("signal"), "setitimer"), reason="no timer")
def test_a_step_past_its_limit_is_stopped_and_keeps_its_figures(journal):
    def measure():
        yield {"x": 1}
        time.sleep(30.0)

    run_steps([Step("a", 0.1, measure), step("b", 2)], journal, 60.0)
    assert states(journal) == {"a": (TIMED_OUT, 1), "b": (DONE, 1)}


def test_figures_of_two_machines_are_not_mixed(journal, tmp_path):
    with pytest.raises(SettingsError, match="another machine"):
        Journal(tmp_path / "journal.jsonl", {"device": "another"})
    with pytest.raises(SettingsError, match="no measurements"):
        Journal(tmp_path / "none.jsonl", None)


def test_the_targets_are_measured_reached_or_neither(journal):
    ours = {"model": LARGE, "precision": "bfloat16"}
    for size, share in ((256, 0.4), (512, 0.5)):
        journal.add("rates", "figures", figures=ours | {"part": "encoder", "batch size": size, "of the ceiling": share})
    run = ours | {"recordings": "calls", "VAD": "off", "device busy": 0.7}
    journal.add("end to end", "figures", figures=run | {"threads of the device": 1, "× real time": 9000.0})
    journal.add("end to end", "figures", figures=run | {"threads of the device": 2, "× real time": 19000.0})
    assert [(each.least, each.measured) for each in page.targets(journal)] == [
        (0.45, 0.5),
        (10_000.0, 9000.0),
        (0.8, 0.7),
        (0.995, None),
    ]
    summary = page.write_summary(journal, list(LIMITS_S))
    assert "| 45.0% | 50.0% | yes |" in summary
    assert "| 10,000 | 9,000 | no |" in summary
    assert "| 99.5% | not by this run | – |" in summary
    assert "| decode | – | 0 | not begun |" in summary


def test_what_labelling_lacks_is_named(tmp_path, monkeypatch):
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\ndependencies = ["numpy>=1", "torch>=999", "no-such-package", "polars>=999"]\n')
    assert requirements.missing(project) == ["torch>=999", "no-such-package"]


def test_the_script_runs_from_any_directory(tmp_path):
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    command = ["bash", ROOT / "benchmarks" / "gpu.sh", "--help"]
    environment = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--rehearse" in done.stdout


def test_without_a_gpu_nothing_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["--folder", str(tmp_path / "new")]) == 2
    assert "--rehearse" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_a_rehearsal_runs_every_step_and_fills_the_tables(tmp_path, capsys):
    command = ["--rehearse", "--folder", str(tmp_path), "--page", str(tmp_path / "page.md"), "--budget", "60"]
    assert main(command) == 0
    journal = Journal(tmp_path / "journal.jsonl", None)
    assert list(journal.attempts) == list(LIMITS_S)
    assert {name: attempt.reason for name, attempt in journal.attempts.items() if attempt.state != DONE} == {}
    assert all(attempt.figures for attempt in journal.attempts.values())
    assert all(target.measured is not None for target in page.targets(journal))
    assert journal.figures("graphs")[0]["failed"] == "RuntimeError: needs a GPU"
    assert all(each["failed"] for each in journal.figures("copies")[1:])
    text = (tmp_path / "page.md").read_text("utf-8")
    assert text.startswith(page.HEAD)
    assert all(f"### {title}\n" in text for title in page.TITLES.values())
    assert "not by this run" not in capsys.readouterr().out

    n_lines = (tmp_path / "journal.jsonl").read_text("utf-8").count("\n")
    assert main(command) == 0
    assert (tmp_path / "journal.jsonl").read_text("utf-8").count("\n") == n_lines
    assert main(["--rehearse", "--folder", str(tmp_path), "--again", "rate"]) == 2
