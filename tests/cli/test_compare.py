from __future__ import annotations

import json

import pytest

from pcqtool.cli import app

pytestmark = pytest.mark.usefixtures("toy_recipe")


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
