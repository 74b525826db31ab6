from __future__ import annotations

import json

import pytest

from pcqtool.cli import app

pytestmark = pytest.mark.usefixtures("toy_recipe")


@pytest.fixture
def sweep(capsys, toy_root, other_root):
    """Run ``pcqtool sweep`` in this process: train on the toy corpus, test on another, once for each run."""

    def run(*arguments):
        places = ["--root", f"manifest={toy_root}", "--root", f"other={other_root}"]
        corpora = [
            "--corpus",
            "manifest",
            "--test-corpus",
            "other=manifest",
            *places,
            "--map",
            f"{other_root}/map.toml",
        ]
        code = app.main(["sweep", "toy.toml", *corpora, "--epochs", "1", "--device", "cpu", "--jobs", "1", *arguments])
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return run


def test_a_sweep_ends_in_a_table_that_says_how_to_choose(sweep, tmp_path):
    grid = ["--set", "dropout=0,0.5", "--out", "s"]
    code, out, err = sweep(*grid, "--table", "t.md")
    assert code == 0, err
    assert "run 2 of 2: toy,dropout=0.5" in err
    lines = out.splitlines()
    assert lines[0].split("  ")[0] == "run"
    assert "validation UA, %" in lines[0]
    assert {line.split()[0] for line in lines[1:3]} == {"toy,dropout=0", "toy,dropout=0.5"}
    for part in (
        "Chosen by validation: toy",
        "would be choosing on test data",
        "Holm",
        "by its own validation part: UA",
    ):
        assert part in out
        assert part.split(":")[0] in (tmp_path / "t.md").read_text(encoding="utf-8")
    code, out, err = sweep(*grid, "--table", "t.csv", "--json")
    assert code == 0
    assert err.count("finished before") == 2
    found = json.loads(out)
    assert (found["schema"], found["table"], len(found["runs"])) == ("pcqtool.sweep/1", "t.csv", 2)
    assert json.loads((tmp_path / "s" / "sweep.json").read_text()) | {"table": "t.csv"} == found
    assert "validation_ua" in (tmp_path / "t.csv").read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--set", "dropuot=1,2"], "Did you mean network.dropout?"),
        (["--set", "lr"], "not KEY=VALUE,VALUE"),
        (["--set", "lr=1,2", "--table", "t.doc"], ".tex, .csv, .md, .json"),
        ([], "a sweep needs two runs or more"),
    ],
)
def test_wrong_use_is_named(sweep, tmp_path, arguments, text):
    code, out, err = sweep(*arguments)
    assert (code, out) == (2, "")
    assert text in err
    assert not (tmp_path / "sweep").exists()
