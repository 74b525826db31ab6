from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from pcqtool.corpora.datasets.emodb import EmoDB
from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.corpora.pool import CorpusPool, PooledCorpus
from pcqtool.errors import FileError, SettingsError
from pcqtool.model.directory import load
from pcqtool.model.predictor import Predictor
from pcqtool.model.profile import Profile
from pcqtool.training.experiment import Experiment
from pcqtool.training.export import export_model, prepare_directory
from pcqtool.training.network_inputs import FrontEnds
from pcqtool.training.profiles import assign_profiles
from pcqtool.training.trainer import predict_logits
from tests.json_schemas import check_json


@pytest.fixture(scope="module")
def made(tmp_path_factory, pool, experiment, fold, trained):
    out = tmp_path_factory.mktemp("produced") / "toy"
    return out, export_model(out, "toy", pool, experiment, fold, trained)


def test_the_directory_is_a_whole_model(made, experiment, trained, fold):
    out, metrics = made
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "config.json",
        "metrics.json",
        "model.safetensors",
    ]
    model, config = load(out)
    assert (config.name, config.labels, config.aggregation) == ("toy", experiment.labels, "mean-log")
    assert config.temperature == trained.temperatures.profiled
    assert model.config.mean_db == trained.model.config.mean_db != experiment.config.mean_db
    check_json(metrics)
    assert json.loads((out / "metrics.json").read_text()) == json.loads(json.dumps(metrics))
    for name, value in model.named_parameters():
        np.testing.assert_allclose(value.detach(), trained.model.get_parameter(name).detach(), rtol=1e-3, atol=1e-6)


def test_it_says_where_it_comes_from(made, experiment, fold):
    _, config = load(made[0])
    assert config.trained_on.endswith("(18 utterances, 2 speakers; anger, neutral, sadness)")
    provenance = config.provenance
    speakers = sorted({experiment.utterances[index].speaker for index in fold.train})
    assert provenance["corpora"] == ["manifest"]
    assert provenance["train_speakers"] == speakers
    assert provenance["recipe"]["seed"] == 1
    assert (provenance["encoder"], provenance["teacher"]) == (None, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", provenance["created"])


def test_metrics_are_stamped_as_no_test(made, trained):
    _, metrics = made
    assert "no test" in metrics["protocol"]
    assert metrics["validation"]["n"] == 9
    assert len(metrics["validation_speakers"]) == 1
    assert metrics["overlap"]["validation"]["speakers"] == 0
    assert len(metrics["history"]) == len(trained.history)
    best = min(metrics["history"], key=lambda epoch: epoch["validation_loss"])
    assert metrics["best_epoch"] == best["number"]
    assert metrics["validation"]["wa"] == pytest.approx(best["validation_wa"])


def test_the_card_tells_of_data_scores_limits_and_licences(made):
    card = (made[0] / "README.md").read_text()
    for part in ("# toy", "Classes: anger, neutral, sadness", "## Scores", "not a test", "## Limits", "## Licences"):
        assert part in card
    assert Manifest.title in card


def test_labelling_predicts_what_the_experiment_predicts(made, toy_root, experiment, trained, tmp_path, predict):
    from pcqtool.cli.app import main
    from pcqtool.tables.reader import read_files

    out = tmp_path / "r.parquet"
    code = main(["label", str(toy_root), "--model", str(made[0]), "--vad", "off", "--out", str(out), "--device", "cpu"])
    table = {row["file"]: row for row in read_files(out).to_dicts()}
    wavs = [utterance.path.name for utterance in experiment.utterances]
    probabilities = predict(experiment, trained, range(36))
    assert code in (0, 3)  # metadata.csv may be taken for a recording, and is none
    for name, own in zip(wavs, probabilities, strict=True):
        assert table[name]["label"] == experiment.labels[own.argmax()]
        given = [table[name][f"prob_{label}"] for label in experiment.labels]
        np.testing.assert_allclose(given, own, atol=0.02)  # weights are stored in half precision


@pytest.mark.parametrize("choice", ["batch", "off"])
def test_a_model_with_profiles_predicts_as_in_training(
    tmp_path, pool, utterances, toy_recipe, fold, tiny_whisper, monkeypatch, choice
):
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))
    encoder = {"layers": [0, 1], "concat_layers": True, "frozen": True}
    recipe = toy_recipe(encoder, network={"profile_s": 20.0, "frame_pool": 5}, epochs=1, n_augmented=0)
    experiment = Experiment(utterances, recipe, torch.device("cpu"), str(tiny_whisper)).prepare()
    trained, data, everyone = experiment.train(fold, 0), experiment.data, range(36)
    export_model(tmp_path / "x", "x", pool, experiment, fold, trained)
    predictor = Predictor(tmp_path / "x", "cpu")
    front_ends = FrontEnds.of(trained.model, data, data.recorded_rows(everyone))
    assignment, temperature = None, trained.temperatures.plain
    if choice == "batch":
        assignment = assign_profiles(front_ends, experiment.groups, everyone)
        rows = np.arange(len(data.samples))
        moments = predictor.moments(data.waves(rows), data.n_samples)
        predictor.use_profiles([Profile.measured(moments, data.n_samples / 16000)])
        share = data.n_samples.sum() / 16000 / (data.n_samples.sum() / 16000 + 20.0)
        temperature = share * trained.temperatures.profiled + (1 - share) * trained.temperatures.plain
    wanted = np.concatenate(predict_logits(front_ends, everyone, assignment)) / temperature
    wanted -= np.log(np.exp(wanted).sum(axis=1, keepdims=True))
    found = predictor.log_probs(data.waves(data.recorded_rows(everyone)), data.n_samples)
    np.testing.assert_allclose(found, wanted, atol=0.1)  # weights are stored in half precision


def test_nothing_is_replaced(made, pool, experiment, fold, trained, tmp_path):
    before = (made[0] / "model.safetensors").read_bytes()
    with pytest.raises(SettingsError, match="is not empty") as caught:
        export_model(made[0], "toy", pool, experiment, fold, trained)
    assert "--out" in caught.value.hint
    assert (made[0] / "model.safetensors").read_bytes() == before


def test_an_empty_or_new_directory_is_prepared(tmp_path):
    prepare_directory(tmp_path / "a" / "b")
    prepare_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "a" / "b" / ".hidden").touch()
    with pytest.raises(SettingsError):
        prepare_directory(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="file"):
        prepare_directory(tmp_path / "file")


def test_what_a_killed_run_has_left_is_gone_on_with(tmp_path):
    for name in ("checkpoint.safetensors", ".checkpoint.safetensors.0a1b2c3d.tmp", "model.safetensors", "README.md"):
        (tmp_path / name).touch()
    prepare_directory(tmp_path)
    (tmp_path / "config.json").touch()  # a model: it was killed just before its checkpoint was removed
    with pytest.raises(SettingsError, match="not empty"):
        prepare_directory(tmp_path)


def test_half_a_model_without_a_checkpoint_stays(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(SettingsError, match=r"not empty: it contains model\.safetensors"):
        prepare_directory(tmp_path)


def test_the_checkpoint_goes_when_the_model_is_there(tmp_path, pool, experiment, fold, trained):
    for name in ("checkpoint.safetensors", ".checkpoint.safetensors.0a1b2c3d.tmp"):
        (tmp_path / name).touch()
    export_model(tmp_path, "x", pool, experiment, fold, trained)
    assert not list(tmp_path.glob("*checkpoint*"))
    assert not list(tmp_path.glob(".*"))


def test_licences_of_a_known_corpus_are_passed_on(tmp_path, experiment, fold, trained, pool_of, utterances):
    pool = pool_of("emodb", utterances, EmoDB(tmp_path))
    metrics = export_model(tmp_path / "x", "x", pool, experiment, fold, trained)
    card, (_, config) = (tmp_path / "x" / "README.md").read_text(), load(tmp_path / "x")
    assert EmoDB.licence in card
    assert EmoDB.citation in card
    assert (
        config.license
        == metrics["license"]
        == "Free to download and use; attribute the authors: commercial use is allowed"
    )
    assert f"This model: {config.license}." in card
    assert config.provenance["data"][0]["commercial_use"] is True
    export_model(tmp_path / "y", "y", pool, experiment, fold, trained, given_license="ask us")
    assert load(tmp_path / "y")[1].license == "ask us"
    assert "This model: ask us." in (tmp_path / "y" / "README.md").read_text()


def test_of_several_corpora_each_is_named_with_what_was_used_of_it(tmp_path, experiment, fold, trained, utterances):
    members = (
        PooledCorpus("emodb", EmoDB(tmp_path), tuple(utterances[:18]), {}, {"boredom": 3}),
        PooledCorpus("mine", Manifest(tmp_path), tuple(utterances[18:]), {("calm", "neutral"): 2}),
    )
    metrics = export_model(tmp_path, "x", CorpusPool(members), experiment, fold, trained)
    _, config = load(tmp_path)
    assert config.provenance["corpora"] == ["emodb", "mine"]
    assert [each["licence"] for each in config.provenance["data"]] == [EmoDB.licence, ""]
    assert [each["n_utterances"] for each in metrics["corpora"]] == [18, 18]
    assert metrics["corpora"][1]["renamed"] == {"calm": {"neutral": 2}}
    assert config.trained_on.startswith("trained on emodb and mine (")
    card = (tmp_path / "README.md").read_text()
    assert f"- Corpus: {EmoDB.title}, 18 utterances (3 of boredom are left out)\n" in card
    assert f"- Corpus: {Manifest.title} (mine), 18 utterances (2 of calm count as neutral)\n" in card
    row = f"| {EmoDB.title} | {EmoDB.licence} | allowed | {EmoDB.citation} |"
    assert f"{row}\n| {Manifest.title} (mine) | unknown | unknown |  |\n" in card
    assert (config.license, metrics["license"]) == ("", "")
    assert "This model: unknown." in card
