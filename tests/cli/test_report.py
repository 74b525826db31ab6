from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pcqtool.cli import app

pytestmark = pytest.mark.usefixtures("toy_recipe")


@pytest.fixture
def report(capsys):
    """Run ``pcqtool report`` in this process."""

    def run(*arguments):
        code = app.main(["report", *map(str, arguments)])
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return run


@pytest.fixture
def evaluation(toy_root, tmp_path, capsys):
    """The directory of an evaluation of the toy recipe."""
    places = ["--corpus", "manifest", "--root", str(toy_root), "--recipe", "toy.toml", "--out", "e"]
    assert app.main(["evaluate", *places, "--protocol", "loso", "--device", "cpu", "--jobs", "1", "--quiet"]) == 0
    capsys.readouterr()
    return tmp_path / "e"


def test_figures_of_an_evaluation(report, evaluation, tmp_path):
    code, out, err = report("confusion", evaluation)
    assert (code, err) == (0, "")
    assert "true, predicted" in out
    assert "confusion.svg" in out
    for suffix in ("tex", "csv", "md", "json"):
        done = subprocess.run(
            [sys.executable, "-m", "pcqtool", "report", "confusion", evaluation, "--out", f"c.{suffix}", "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout)["table"] == f"c.{suffix}"
        assert "anger" in (tmp_path / f"c.{suffix}").read_text(encoding="utf-8")
    assert report("confusion", evaluation, "--out", "c.svg", "--title", "My own", "--size", "12.7x12.7")[0] == 0
    drawn = (tmp_path / "c.svg").read_text(encoding="utf-8")
    assert "My own" in drawn
    assert 'width="360pt" height="360pt"' in drawn
    assert report("curves", evaluation, "--size", "wide")[0] == 2
    assert report("confusion", evaluation, "--out", "c.tex", "--size", "9x9")[0] == 2
    code, text, _ = report("reliability", evaluation, "--out", "r.png")
    code, out, _ = report("reliability", evaluation, "--out", "r.png", "--json")
    said = json.loads(out)
    assert f" {said['ece']:.3f}\n" in text
    assert str(said["ece"]) not in text
    assert (code, said["figure"], sum(row["n"] for row in said["rows"])) == (0, "r.png", 36)
    code, out, _ = report("curves", evaluation, "--json")
    assert code == 0
    assert len(json.loads(out)["rows"]) == 4
    code, out, _ = report("risk-coverage", evaluation, "--json")
    said = json.loads(out)
    assert (code, said["figure"], {row["run"] for row in said["rows"]}) == (0, "risk-coverage.svg", {"e"})
    metrics = json.loads((evaluation / "metrics.json").read_text())
    assert [{**row, "run": ""} for row in said["rows"]] == [{"run": "", **row} for row in metrics["risk_coverage"]]
    assert report("risk-coverage", evaluation, evaluation)[0] == 2
    assert {"confusion.svg", "r.png", "curves.svg", "risk-coverage.svg"} <= {path.name for path in tmp_path.iterdir()}


def test_tsne_of_a_model(report, tiny_model, toy_root):
    code, out, err = report(
        "tsne", "--model", tiny_model, "--corpus", "manifest", "--root", toy_root, "--device", "cpu", "--json"
    )
    assert code == 0
    assert "manifest: 36 utterances" in err
    drawn = json.loads(out)
    assert (len(drawn["points"]), drawn["figure"]) == (36, "tsne.svg")


def test_parameters_of_a_model_and_of_the_paper(report, tiny_model):
    code, out, _ = report("parameters", "--model", tiny_model, "--json")
    assert code == 0
    assert [part["name"] for part in json.loads(out)["parts"]] == ["PCQ", "MLCNN", "classifier"]
    code, out, _ = report("parameters")
    assert code == 0
    assert "97,994,540" in out
    assert "174.62 M" in out


@pytest.mark.slow
def test_studies_write_runs_table_and_figure(report, toy_root, tmp_path):
    usual = ["--corpus", "manifest", "--root", toy_root, "--recipe", "toy.toml", "--device", "cpu", "--jobs", "1"]
    code, out, _ = report("ablations", *usual, "--epochs", "1", "--out", "a", "--title", "My own", "--size", "12.7x9")
    assert code == 0
    assert "w/o PDC" in out
    assert {"ablations.json", "ablations.svg"} <= {path.name for path in (tmp_path / "a").iterdir()}
    drawn = (tmp_path / "a" / "ablations.svg").read_text(encoding="utf-8")
    assert "My own" in drawn
    assert 'width="360pt"' in drawn
    (tmp_path / "toy.toml").write_text("seed = 7\n" + (tmp_path / "toy.toml").read_text())
    code, out, _ = report("depth", *usual, "--epochs", "1", "--out", "d", "--json")
    assert (code, json.loads(out)["seeds"]) == (0, [7])
    assert [row["name"] for row in json.loads(out)["variants"]] == ["2 layers"]
    assert (tmp_path / "d" / "depth.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["confusion", "nowhere"], 1, "cannot read nowhere"),
        (["confusion", "nowhere", "--out", "c.jpg"], 1, "cannot read nowhere"),
        (["tsne", "--corpus", "emodb", "--out", "t.jpg"], 2, ".svg, .png, .pdf"),
        (
            ["ablations", "--corpus", "manifest", "--root", "nowhere", "--recipe", "toy.toml"],
            1,
            "nowhere does not exist",
        ),
        (["depth", "--corpus", "manifest", "--protocol", "lotto", "--recipe", "toy.toml"], 2, "lotto"),
    ],
    ids=str,
)
def test_wrong_use_is_named(report, arguments, code, said):
    got, out, err = report(*arguments)
    assert (got, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_help_loads_no_matplotlib():
    code = (
        "import sys; from pcqtool.cli.app import main; main(['report', 'ablations', '--help']);"
        "print(sorted({'torch', 'matplotlib', 'numpy', 'polars'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
