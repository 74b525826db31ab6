from __future__ import annotations

import json
import subprocess
import sys

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from safetensors.torch import load_file

from pcqtool.cli import app

pytestmark = pytest.mark.usefixtures("toy_recipe")


@pytest.fixture
def train(capsys, toy_root):
    """Run ``pcqtool train`` in this process, on the toy corpus by default."""

    def run(*arguments, corpus=("--corpus", "manifest"), root=toy_root, recipe="toy.toml"):
        places = ["--root", str(root)] if root else []
        code = app.main(["train", *corpus, *places, "--recipe", recipe, "--device", "cpu", "--jobs", "1", *arguments])
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return run


def test_a_model_comes_out_that_can_label(train, toy_root, tmp_path, capsys):
    code, out, err = train("--out", "here/mine", "--seed", "3")
    assert code == 0
    assert "here/mine" in out
    assert "anger, neutral, sadness" in out
    assert "no test" in out
    assert "manifest: 36 utterances, 9 of them for validation" in err
    config = json.loads((tmp_path / "here/mine/config.json").read_text())
    assert (config["name"], config["provenance"]["recipe"]["seed"]) == ("mine", 3)
    wav = str(next(toy_root.glob("*.wav")))
    assert app.main(["label", wav, "--model", "here/mine", "--vad", "off", "--device", "cpu"]) == 0
    assert pl.read_parquet("results.parquet")["status"].to_list() == ["ok"]


def test_json_is_one_object(train):
    code, out, _ = train("--out", "m", "--name", "other", "--epochs", "1", "--json")
    said = json.loads(out)
    assert code == 0
    assert (said["model"], said["best_epoch"], len(said["history"])) == ("m", 1, 1)
    assert said["validation"]["n"] == 9
    assert json.loads(open("m/config.json").read())["name"] == "other"  # noqa: PTH123, SIM115


def test_quiet_says_nothing_on_stderr(train):
    assert train("--out", "m", "--quiet")[2] == ""


def test_what_is_in_a_directory_stays(train, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "thesis.tex").write_text("years of work")
    code, out, err = train("--out", "m")
    assert (code, out) == (2, "")
    assert err.startswith("error: m is not empty\n")
    assert "--out" in err
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["thesis.tex"]
    assert train("--out", "m/thesis.tex")[0] == 1


def test_a_model_is_not_trained_over(train, tmp_path):
    assert train("--out", "m", "--epochs", "1")[0] == 0
    before = (tmp_path / "m" / "model.safetensors").read_bytes()
    assert train("--out", "m", "--epochs", "1")[0] == 2
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"corpus": ("--corpus", "manifesto")}, 1, "manifest"),
        ({"corpus": ()}, 2, "--corpus"),
        ({"root": None}, 1, "PCQTOOL_CORPORA"),
        ({"root": "nowhere"}, 1, "nowhere does not exist"),
        ({"recipe": "maxi"}, 2, "Shipped: mini, paper"),
        ({"recipe": "mini"}, 2, "--teacher"),
        ({"recipe": "paper"}, 2, "--encoder"),
    ],
    ids=str,
)
def test_what_is_missing_is_named(train, tmp_path, changes, code, said):
    got, out, err = train("--out", "m", **changes)
    assert (got, out) == (code, "")
    assert said in err
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if not line.startswith("manifest: 36")]) <= 2
    assert not (tmp_path / "m").exists() or not any((tmp_path / "m").iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--teacher", "nowhere"], 0, ""),  # the recipe does not learn from one
        (["--encoder", "./nowhere"], 1, "nowhere"),
        (["--device", "abacus"], 2, "abacus"),
        (["--epochs", "0"], 2, "--epochs"),
        (["--seed", "-1"], 2, "seed"),
    ],
)
def test_wrong_values_are_named(train, arguments, code, said):
    got, _, err = train("--out", "m", *arguments)
    assert got == code
    assert said in err


def test_speakers_are_needed(train, tmp_path, toy_root):
    rows = (toy_root / "metadata.csv").read_text().splitlines()
    folder = toy_root.as_posix()
    lines = [f"{folder}/{row.rsplit(',', 1)[0]}" for row in rows[1:]]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label", *lines]))
    code, _, err = train("--out", "m", root=tmp_path / "metadata.csv")
    assert code == 1
    assert "speaker" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--help"],
        ["evaluate", "--help"],
        ["train", "--corpus", "manifesto"],
        ["train", "--corpus", "emodb", "--root", "nowhere"],
        ["evaluate", "--corpus", "emodb", "--protocol", "loso", "--root", "nowhere"],
        ["evaluate", "--corpus", "emodb", "--protocol", "lotto", "--root", "nowhere"],
    ],
    ids=" ".join,
)
def test_torch_is_not_loaded_for_help_or_a_missing_corpus(arguments):
    code = (
        "import sys; from pcqtool.cli.app import main; main(sys.argv[1:]);"
        "print(sorted({'torch', 'torchaudio', 'transformers', 'sklearn'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


FROZEN = "encoder = { frozen = true, layers = [0, 1] }\n"


def test_a_frozen_encoder_can_be_left_out_and_is_found_again(train, toy_root, tiny_whisper, tmp_path):
    (tmp_path / "toy.toml").write_text((tmp_path / "toy.toml").read_text() + FROZEN)
    encoder = ("--encoder", str(tiny_whisper), "--epochs", "1")
    assert train("--out", "whole", *encoder)[0] == 0
    assert train("--out", "head", *encoder, "--encoder-name", "some/whisper")[0] == 0
    weights = {name: load_file(tmp_path / name / "model.safetensors") for name in ("whole", "head")}
    assert {name for name in weights["whole"] if not name.startswith("encoder.model.")} == weights["head"].keys()
    config = json.loads((tmp_path / "head" / "config.json").read_text())
    assert config["encoder_source"]["name"] == "some/whisper"
    assert "some/whisper, known by a hash" in (tmp_path / "head" / "README.md").read_text()
    usual = ["label", str(next(toy_root.glob("*.wav"))), "--vad", "off", "--device", "cpu"]
    for name in ("whole", "head"):
        found = ["--encoder-dir", str(tiny_whisper.parent)]
        assert app.main([*usual, "--model", name, *found, "--out", f"{name}.parquet"]) == 0
    columns = [f"prob_{label}" for label in config["labels"]]
    whole, head = (pl.read_parquet(f"{name}.parquet").select(columns) for name in ("whole", "head"))
    assert_frame_equal(head, whole, abs_tol=1e-6)


def test_a_tuned_encoder_is_not_left_out(train, tiny_whisper, tmp_path):
    encoder = ("--encoder", str(tiny_whisper), "--epochs", "1")
    code, out, err = train("--out", "m", *encoder, "--encoder-name", "some/whisper")
    assert (code, out) == (2, "")
    assert "only a frozen pre-trained encoder" in err
    assert "frozen = true" in err
    assert not list((tmp_path / "m").iterdir())
    assert train("--out", "m", "--epochs", "1", "--encoder-name", "some/whisper")[0] == 2
