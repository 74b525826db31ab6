from __future__ import annotations

import json

import pytest

from pcqtool.cli import app

pytestmark = pytest.mark.usefixtures("toy_recipe")


@pytest.fixture
def evaluate(capsys, toy_root):
    """Run ``pcqtool evaluate`` in this process, on the toy corpus."""

    def run(*arguments, root=toy_root, recipe="toy.toml"):
        usual = ["evaluate", "--corpus", "manifest", "--root", str(root), "--recipe", recipe, "--device", "cpu"]
        code = app.main([*usual, "--jobs", "1", *arguments])
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return run


def test_a_protocol_is_run_once_and_stamped_on_the_result(evaluate, tmp_path):
    code, out, err = evaluate("--protocol", "loso", "--out", "e")
    assert code == 0
    assert "manifest: 36 utterances, 4 folds" in err
    for part in ("loso", "WA", "UA", "macro-F1", "ECE", "files 0, speakers 0, sessions unknown", "true, judged"):
        assert part in out
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert (metrics["corpus"], metrics["protocol"], metrics["pooled"]["n"]) == ("manifest", "loso", 36)
    assert sorted(path.name for path in (tmp_path / "e" / "folds").iterdir()) == [f"s{n}.json" for n in range(4)]
    changed = [path.stat().st_mtime_ns for path in sorted((tmp_path / "e" / "folds").iterdir())]
    code, out, _ = evaluate("--protocol", "loso", "--out", "e", "--json")
    assert code == 0
    assert json.loads(out) == metrics
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "e" / "folds").iterdir())] == changed


def test_a_model_is_judged_and_its_own_corpus_warned_of(evaluate, tiny_model, tmp_path):
    code, out, err = evaluate("--model", str(tiny_model), "--out", "e", "--json")
    assert (code, err) == (0, "")
    metrics = json.loads(out)
    assert metrics == json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert metrics["pooled"]["n"] == 36
    assert "nothing trained" in metrics["protocol"]
    known = tmp_path / "known"
    known.mkdir()
    for path in tiny_model.iterdir():
        (known / path.name).write_bytes(path.read_bytes())
    config = json.loads((known / "config.json").read_text())
    (known / "config.json").write_text(json.dumps(config | {"provenance": {"corpora": ["manifest"]}}))
    code, out, err = evaluate("--model", str(known), "--out", "e")
    assert code == 0
    assert err == "warning: the model has learnt from manifest: these figures are no test\n"
    assert "UA" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "one of --protocol and --model"),
        (["--protocol", "loso", "--model", "x"], 2, "one of --protocol and --model"),
        (["--protocol", "lotto"], 2, "Known: loso"),
        (["--model", "no-model"], 1, "no model 'no-model'"),
        (["--protocol", "loso", "--recipe", "maxi"], 2, "no recipe 'maxi'"),
        (["--protocol", "loso", "--recipe", "mini"], 2, "--teacher"),
        (["--protocol", "loso", "--device", "abacus"], 2, "abacus"),
        (["--protocol", "loso", "--root", "nowhere"], 1, "nowhere does not exist"),
    ],
    ids=str,
)
def test_wrong_use_is_named(evaluate, tmp_path, arguments, code, said):
    got, out, err = evaluate(*arguments)
    assert (got, out) == (code, "")
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "evaluation").exists()


def test_a_place_that_cannot_be_written_to_is_named(evaluate, tiny_model, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = evaluate("--model", str(tiny_model), "--out", "file")
    assert code == 1
    assert "file" in err
    assert "unexpected" not in err


def test_a_recording_that_cannot_be_read_ends_it(evaluate, toy_root, tmp_path):
    rows = (toy_root / "metadata.csv").read_text().splitlines()
    (tmp_path / "bad.wav").write_text("dear diary")
    lines = [f"{toy_root.as_posix()}/{row}" for row in rows[1:]]
    (tmp_path / "metadata.csv").write_text("\n".join([rows[0], *lines, "bad.wav,anger,s1"]))
    code, _, err = evaluate("--protocol", "loso", root=tmp_path / "metadata.csv")
    assert code == 1
    assert "bad.wav" in err
    assert "Leave it out" in err
