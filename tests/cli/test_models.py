from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pcqtool.model import directory
from tests.installed_plugins import install  # noqa: F401


@pytest.fixture
def model(tmp_path):
    place = tmp_path / "mine" / "first"
    place.mkdir(parents=True)
    config = {"name": "first", "labels": ["anger", "neutral"], "network": {"mlcnn_channels": [16, 32]}}
    config |= {"trained_on": "two rooms", "temperature": 1.5, "provenance": {"seed": 7}, "license": "for two friends"}
    (place / directory.CONFIG).write_text(json.dumps(config))
    save_file({"a": np.zeros(3, np.float16)}, place / directory.WEIGHTS)
    (place / directory.METRICS).write_text('{"WA": {"mean": 0.88}}')
    return place


def test_list_finds_local_models_and_passes_over_other_configurations(pcqtool, model):
    other = model.parent / "other"
    other.mkdir()
    (other / directory.CONFIG).write_text('{"hidden_size": 768}')
    rows = json.loads(pcqtool("models", "list", "--json").stdout)["models"]
    local = [row for row in rows if row["where"] != "bundled"]
    assert local == [
        {
            "name": "first",
            "labels": ["anger", "neutral"],
            "trained_on": "two rooms",
            "license": "for two friends",
            "where": "mine/first",
            "encoder": None,
        }
    ]
    assert [row["name"] for row in rows if row["where"] == "bundled"] == [p.name for p in directory.bundled_models()]


def test_list_looks_where_it_is_told(pcqtool, model, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "first" not in pcqtool("models", "list", "empty").stdout
    assert "mine/first" in pcqtool("models", "list", "empty", "mine").stdout


def test_verbose_list_names_skipped_files(pcqtool, tmp_path):
    (tmp_path / directory.CONFIG).write_text("[]")
    assert pcqtool("models", "list").stderr == ""
    assert "skipped: config.json" in pcqtool("models", "list", "-v").stderr


def test_info_shows_everything(pcqtool, model):
    shown = pcqtool("models", "info", "mine/first")
    assert shown.returncode == 0
    lines = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())
    assert lines["labels"] == "anger, neutral"
    assert lines["provenance.seed"] == "7"
    assert lines["license"] == "for two friends"
    assert lines["metrics.WA.mean"] == "0.88"
    assert lines["network.mlcnn_channels"] == "16, 32"
    assert lines["sha256"] == directory.model_sha256(model)


def test_info_begins_with_scores_on_unseen_speech(pcqtool, model):
    acted = {"corpus": "stage", "speech": "acted", "n_classes": 4, "profile": "auto", "ua": 0.61, "ece": 0.1}
    natural = acted | {"corpus": "radio", "speech": "natural, talk shows", "ua": 0.5275}
    (model / directory.METRICS).write_text(json.dumps({"unseen": [acted, natural, "damaged", {"corpus": "empty"}]}))
    lines = pcqtool("models", "info", "mine/first").stdout.splitlines()
    assert lines[1].split(maxsplit=1) == [
        "unseen",
        "radio (natural, talk shows; 4 emotions), profile auto: UA 52.8 %, ECE 0.10; "
        "stage (acted; 4 emotions), profile auto: UA 61.0 %, ECE 0.10",
    ]
    scores = json.loads(pcqtool("models", "info", "mine/first", "--json").stdout)["unseen"]
    assert [score["corpus"] for score in scores] == ["radio", "stage"]


def test_info_as_json(pcqtool, model):
    about = json.loads(pcqtool("models", "info", "mine/first", "--json").stdout)
    assert about["metrics"] == {"WA": {"mean": 0.88}}
    assert about["size_bytes"] == (model / directory.WEIGHTS).stat().st_size
    assert about["card"] is None


def test_info_needs_no_metrics_but_readable_ones(pcqtool, model):
    (model / directory.METRICS).write_text("{")
    done = pcqtool("models", "info", "mine/first")
    assert (done.returncode, done.stdout) == (1, "")
    assert "metrics.json" in done.stderr
    (model / directory.METRICS).unlink()
    assert pcqtool("models", "info", "mine/first").returncode == 0


@pytest.mark.parametrize(
    ("remove", "said"), [(directory.CONFIG, "has no config.json"), (directory.WEIGHTS, "model.safetensors")]
)
def test_incomplete_model_is_an_error_that_names_it(pcqtool, model, remove, said):
    (model / remove).unlink()
    done = pcqtool("models", "info", "mine/first")
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_list_says_whether_an_encoder_is_here(pcqtool, external_model, tiny_whisper, tmp_path):
    def encoder(*options, **env):
        env |= {"HF_HUB_CACHE": str(tmp_path / "cache")}
        rows = json.loads(pcqtool("models", "list", str(external_model), "--json", *options, **env).stdout)["models"]
        return {row["name"]: row["encoder"] for row in rows}["borrowing"]

    assert encoder() == "some/whisper, missing"
    assert encoder("--encoder-dir", str(tiny_whisper)) == f"some/whisper, in {tiny_whisper}"
    assert encoder(PCQTOOL_ENCODERS=str(tiny_whisper.parent)) == f"some/whisper, in {tiny_whisper}"


@pytest.mark.slow
def test_info_compares_the_encoders_tensors(pcqtool, external_model, tiny_whisper, tmp_path):
    other = shutil.copytree(tiny_whisper, tmp_path / "other")
    weights = load_file(other / directory.WEIGHTS)
    save_file({name: tensor + 1 for name, tensor in weights.items()}, other / directory.WEIGHTS)

    def encoder(folder):
        done = pcqtool("models", "info", str(external_model), "--json", "--encoder-dir", str(folder))
        assert done.returncode == 0
        return json.loads(done.stdout)["encoder"]

    right, wrong = encoder(tiny_whisper), encoder(other)
    assert (right["name"], right["where"], right["problem"]) == ("some/whisper", str(tiny_whisper), None)
    assert right["size_bytes"] == (tiny_whisper / directory.WEIGHTS).stat().st_size
    assert wrong["where"] is None
    assert wrong["sha256"] == right["sha256"]
    assert f"the encoder in {other} has the hash" in wrong["problem"]


@pytest.mark.parametrize("where", ["nowhere", "./nowhere", "empty", "x" * 5000])
def test_a_model_that_does_not_exist_is_wrong_usage(pcqtool, tmp_path, where):
    (tmp_path / "empty").mkdir()
    done = pcqtool("models", "info", where)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no model '{where}'" in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr


def pipe(file):
    file.unlink()
    os.mkfifo(file)


SPOILT = {
    "a pipe for weights": (lambda place: pipe(place / directory.WEIGHTS), "it is not a regular file"),
    "a pipe for scores": (lambda place: os.mkfifo(place / directory.METRICS), "it is not a regular file"),
    "deep scores": (lambda place: (place / directory.METRICS).write_text("[" * 10**5), "nested too deeply"),
    "half a character": (lambda place: (place / directory.METRICS).write_text('["\\ud800"]'), "not valid Unicode"),
    "endless temperature": (lambda place: edit(place, temperature=10**400), "temperature must be"),
    "half a character in what it learnt": (lambda place: edit(place, trained_on="\ud800"), "not valid Unicode"),
    "many labels": (lambda place: edit(place, labels=[str(n) for n in range(10**5)]), "labels must be 1000 at most"),
    "a label that colours": (lambda place: edit(place, labels=["\x1b[31m", "b"]), "a label must be text of one line"),
}


def edit(place, **entries):
    file = place / directory.CONFIG
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


@pytest.mark.parametrize("spoil", SPOILT)
def test_what_a_stranger_wrote_is_an_error_of_a_line_or_two(pcqtool, model, spoil):
    change, said = SPOILT[spoil]
    (model / directory.METRICS).unlink()
    change(model)
    done = pcqtool("models", "info", "mine/first")
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "unexpected" not in done.stderr
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_pipe_in_a_configurations_place_is_passed_over(pcqtool, model, tmp_path):
    pipe(model / directory.CONFIG)
    done = pcqtool("models", "list", str(tmp_path), "--json")
    assert done.returncode == 0
    assert str(model) not in {row["where"] for row in json.loads(done.stdout)["models"]}


def test_kinds_of_networks_and_encoders_are_listed_with_what_is_broken(pcqtool, install):  # noqa: F811
    groups = {"pcqtool.networks": {"bad": "bad_ser:Bad"}, "pcqtool.encoders": {"worse": "bad_ser:Worse"}}
    install("bad-ser", groups, "raise RuntimeError('no licence key')")
    done = pcqtool("models", "kinds")
    rows = [line.split(maxsplit=4) for line in done.stdout.splitlines()]
    assert ["network", "pcq", "pcqtool", "1.0", "ok"] in rows
    assert ["network.encoder", "whisper", "pcqtool", "1.0", "ok"] in rows
    assert ["network.encoder", "worse", "bad-ser", "1.0", "broken: RuntimeError: no licence key"] in rows
    kinds = {each["kind"]: each for each in json.loads(pcqtool("models", "kinds", "--json").stdout)["kinds"]}
    assert kinds["pcq"] == {
        "table": "network", "kind": "pcq", "from": "pcqtool 1.0", "class": "pcqtool.model.pcq:PCQ", "error": None
    }  # fmt: skip
    assert kinds["bad"]["error"] == "RuntimeError: no licence key"
