from __future__ import annotations

import csv
import sys

import pytest

from benchmarks import carry_over
from tests.toy_training import TOY_RECIPE

RECIPE = f"""{TOY_RECIPE}
profile_s = 10.0
query = "projected"
encoder = {{ kind = "mini", architecture = {{ dim = 16, n_blocks = 1, expansion = 2, n_mels = 16 }} }}
"""


@pytest.fixture
def options(toy_root, tmp_path):
    """Two corpora with two speakers each, and a recipe of one epoch."""
    with (toy_root / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = ["--recipe", str(tmp_path / "toy.toml"), "--out", str(tmp_path / "runs.jsonl"), "--seeds", "1"]
    (tmp_path / "toy.toml").write_text(RECIPE)
    for name, speakers in (("one", ("s0", "s1")), ("two", ("s2", "s3"))):
        own = [row | {"file_name": str(toy_root / row["file_name"])} for row in rows if row["speaker"] in speakers]
        (tmp_path / name).mkdir()
        with (tmp_path / name / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(own[0]))
            writer.writeheader()
            writer.writerows(own)
        found += ["--corpus", f"{name}=manifest", "--root", f"{name}={tmp_path / name}"]
    return found


def test_each_corpus_is_left_out_with_queries_and_without(options, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["carry_over", *options])
    carry_over.main()
    runs = carry_over.read(tmp_path / "runs.jsonl")
    keys = [(run["form"], run["left out"]) for run in runs]
    assert keys == [(form, name) for form in ("with queries", "without queries") for name in ("one", "two")]
    for run in runs:
        for profile in carry_over.PROFILES:
            assert 0 <= run[profile]["ua"] <= 100
            assert 0 <= run[profile]["ece"] <= 1
    said = capsys.readouterr().out
    assert said.count("| with queries |") == said.count("| without queries |") == 3
    monkeypatch.setattr(carry_over, "predict", None)
    carry_over.main()
    assert capsys.readouterr().out == said


def test_the_queries_are_worth_the_mean_of_paired_differences():
    def run(form, corpus, ua):
        return {"form": form, "left out": corpus, "seed": 0, **{name: {"ua": ua} for name in carry_over.PROFILES}}

    runs = [
        run("with queries", "one", 60.0),
        run("without queries", "one", 57.0),
        run("with queries", "two", 50.0),
        run("without queries", "two", 51.0),
        run("with queries", "three", 90.0),
    ]
    lines = list(carry_over.worth_of_queries(runs))
    assert lines[0] == "queries, auto: +1.0 points, standard error 2.0 over 2 pairs"
    assert len(lines) == 3
