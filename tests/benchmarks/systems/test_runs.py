from __future__ import annotations

import csv
import logging

import pytest

from benchmarks.systems import runs
from benchmarks.systems.__main__ import main
from benchmarks.systems.catalogue import ComparedSystem, Condition
from benchmarks.systems.records import read
from tests.toy_training import TOY_RECIPE as RECIPE

CONDITION = Condition("toy-loso", "toy", ("manifest",), "loso")


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "toy.toml").write_text(RECIPE)
    return ComparedSystem("toy", "the toy", str(tmp_path / "toy.toml"))


def test_runs_resume_and_failures_are_named(toy, toy_root, tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    (tmp_path / "broken.toml").write_text("[network]\nkind = 'nowhere'\n")
    broken = ComparedSystem("broken", "the broken", str(tmp_path / "broken.toml"))
    far = ComparedSystem("far", "the far", "best")
    monkeypatch.delenv("PCQTOOL_ENCODERS", raising=False)
    records, lost = tmp_path / "records.jsonl", Condition("lost", "lost", ("emodb",), "loso")

    def run_all(*systems, conditions=(lost, CONDITION)):
        caplog.clear()
        return runs.run_all(systems, conditions, [f"manifest={toy_root}"], tmp_path / "out", records, jobs=1)

    assert run_all(broken, far, toy) == 0
    assert "lost: skipped" in caplog.text
    assert "the broken: skipped" in caplog.text
    assert "the far: skipped: no encoder openai/whisper-base" in caplog.text
    (record,) = read(records)
    assert (record["system"], record["condition"], record["seeds"]) == ("toy", "toy-loso", [0])
    assert record["parameters"]["trained"] > 0
    assert run_all(toy, conditions=(CONDITION,)) == 0
    assert "finished before" in caplog.text
    (tmp_path / "toy.toml").write_text(RECIPE.replace("epochs = 1", "epochs = 2"))
    assert run_all(toy, conditions=(CONDITION,)) == 0
    assert "run again" in caplog.text
    assert read(records)[0]["recipe"]["hash"] != record["recipe"]["hash"]
    monkeypatch.setattr(runs, "finish_run", lambda *arguments: 1 / 0)
    assert run_all(toy, conditions=(CONDITION,)) == 1
    assert "the toy: failed: division by zero" in caplog.text


def test_networks_without_profiles_have_one_figure_for_new_corpora(toy, toy_root, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    roots = []
    with (toy_root / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name, speakers in (("one", ("s0", "s1")), ("two", ("s2", "s3"))):
        own = [row | {"file_name": str(toy_root / row["file_name"])} for row in rows if row["speaker"] in speakers]
        (tmp_path / name).mkdir()
        with (tmp_path / name / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(own[0]))
            writer.writeheader()
            writer.writerows(own)
        roots.append(f"{name}={tmp_path / name}")
    corpora = ("one=manifest", "two=manifest")
    conditions = [Condition(name, name, corpora, "corpus", name) for name in ("auto", "off")]
    assert runs.run_all([toy], conditions, roots, tmp_path / "out", tmp_path / "r.jsonl", jobs=1) == 0
    assert "auto, the toy: skipped: it has no profiles" in caplog.text
    (record,) = read(tmp_path / "r.jsonl")
    assert record["condition"] == "off"
    assert record["by_corpus"].keys() == {"one", "two"}


def test_the_command_refuses_unknown_names_and_collects(tmp_path, capsys):
    assert main(["--system", "nobody", "--out", str(tmp_path)]) == 2
    assert "nobody" in capsys.readouterr().err
    records = tmp_path / "records.jsonl"
    assert main(["--collect", str(tmp_path), "--records", str(records)]) == 0
    assert "0 runs recorded" in capsys.readouterr().out
