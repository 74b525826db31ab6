from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pcqtool.cli import app
from tests.toy_training import LABELS, spoken

pytestmark = pytest.mark.usefixtures("toy_recipe")

NUMBERS = (("worst", 3), ("best", 0), ("mid", 1))


@pytest.fixture
def run(capsys):
    """Run ``pcqtool`` in this process."""

    def run(*arguments):
        code = app.main(list(arguments))
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return run


@pytest.fixture
def evaluated(run, toy_root):
    """Evaluate with some seeds on the toy corpus; give the directory."""

    def evaluate(out, *arguments):
        usual = ["--corpus", "manifest", "--root", str(toy_root), "--device", "cpu", "--jobs", "1", "--out", out]
        training = [] if "--model" in arguments else ["--recipe", "toy.toml"]
        assert run("evaluate", *usual, *training, *arguments)[0] == 0
        return out

    return evaluate


def test_two_runs_are_compared(run, evaluated):
    one, other = evaluated("one", "--protocol", "loso"), evaluated("two", "--protocol", "loso", "--epochs", "1")
    code, out, err = run("compare", one, other)
    assert (code, err) == (0, "")
    for part in ("36 of 4 speakers", "WA", "UA", "difference", "95 % interval over speakers", "McNemar", "p = "):
        assert part in out
    code, out, _ = run("compare", one, f"{other}/predictions.parquet", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["n_utterances"] == 36
    assert found["wa"]["difference"] == pytest.approx(found["wa"]["first"] - found["wa"]["second"])


def test_leaks_and_other_protocols_are_warned_of(run, evaluated):
    code, _, err = run("compare", evaluated("one", "--protocol", "loso"), evaluated("two", "--protocol", "paper"))
    assert code == 0
    assert "warning: two: LEAKS on purpose" in err
    assert "warning: the protocols differ: loso and paper" in err


def test_a_model_is_compared_with_a_recipe(run, evaluated, tiny_model):
    code, out, err = run(
        "compare", evaluated("one", "--protocol", "loso"), evaluated("two", "--model", str(tiny_model))
    )
    assert code == 0
    assert "the protocols differ" in err
    assert "McNemar" in out


def test_what_is_no_run_is_named(run, tmp_path):
    code, out, err = run("compare", "nowhere", "neither")
    assert (code, out) == (1, "")
    assert "nowhere" in err
    assert "Traceback" not in err


def in_a_process(*arguments):
    """Run ``python -m pcqtool compare`` on its own."""
    done = subprocess.run(
        [sys.executable, "-m", "pcqtool", "compare", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_many_runs_are_a_table(save_run, tmp_path):
    model = {"leakage": "Nothing was trained.", "labels": list(LABELS)}
    runs = [save_run(name, spoken(n), protocol=f"model {name}, nothing trained", **model) for name, n in NUMBERS]
    code, out, err = in_a_process(*runs)
    assert (code, err) == (0, "")  # names of models are no difference between protocols
    assert [line.split()[0] for line in out.splitlines()[:4]] == ["run", "best", "mid", "worst"]
    assert "24 utterances of 4 speakers: all that the runs have." in out
    assert "corrected by Holm for 2 comparisons" in out
    for suffix in ("tex", "csv", "md", "json"):
        table = tmp_path / f"t.{suffix}"
        code, out, err = in_a_process(*runs[:2], "--baseline", runs[2], "--out", table, "--json")
        assert (code, err) == (0, "")
        found = json.loads(out)
        assert (found["schema"], found["baseline"], found["table"]) == ("pcqtool.compare/1", "mid", str(table))
        assert "worst" in table.read_text(encoding="utf-8")


def test_two_runs_write_a_table_beside_what_they_print(save_run, tmp_path):
    runs = [save_run(name, spoken(n)) for name, n in NUMBERS[:2]]
    plain, written = in_a_process(*runs), in_a_process(*runs, "--out", tmp_path / "t.md")
    assert written[1].startswith(plain[1])
    assert written[1].splitlines()[-1].split()[0] == "table"
    assert "| worst |" in (tmp_path / "t.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["a"], 2, "one run cannot be compared"),
        (["a", "b", "--out", "t.doc"], 2, ".tex, .csv, .md, .json"),
        (["a", "b", "c"], 1, "share no utterance"),
        (["a", "b", "a"], 2, "named twice"),
    ],
)
def test_wrong_use_of_runs_is_named(run, save_run, arguments, code, text):
    for name in "abc":
        save_run(name, [(name, 0, "s", 0, 0.5)])
    got, out, err = run("compare", *arguments)
    assert (got, out) == (code, "")
    assert text in err
