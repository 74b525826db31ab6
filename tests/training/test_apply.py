from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pcqtool.corpora.manifest import Manifest
from pcqtool.errors import CorpusError, ModelError, SettingsError
from pcqtool.training.apply import apply_model
from pcqtool.training.metrics import score
from pcqtool.training.produce import produce


@pytest.fixture(scope="module")
def model(tmp_path_factory, toy_root, experiment, fold, trained):
    out = tmp_path_factory.mktemp("applied") / "toy"
    produce(out, "toy", Manifest(toy_root), experiment, fold, trained)
    return str(out)


def test_a_model_is_scored_as_the_experiment_scores_it(model, experiment, trained, utterances, fold):
    chosen = [utterances[index] for index in fold.test]
    metrics = apply_model(model, "other", chosen, "cpu", 1)
    probabilities = experiment.probabilities(trained, fold.test)
    truth = experiment.targets[list(fold.test)]
    wanted = score(truth, probabilities.argmax(axis=1), probabilities, experiment.labels, ["s0"] * 9)
    assert metrics["pooled"]["confusion"] == wanted.confusion
    assert metrics["pooled"]["ece"] == pytest.approx(wanted.ece, abs=0.02)
    assert metrics["pooled"]["wa_interval"] is None
    assert (metrics["corpus"], metrics["left_out"]) == ("other", 0)
    assert "toy" in metrics["protocol"]
    assert json.loads(json.dumps(metrics)) == metrics


def test_it_warns_of_a_corpus_that_the_model_knows(model, utterances):
    assert "manifest" in apply_model(model, "manifest", utterances, "cpu", 1)["warning"]
    assert "warning" not in apply_model(model, "emodb", utterances, "cpu", 1)


def test_labels_that_the_model_has_not_are_left_out_and_counted(model, utterances):
    foreign = [replace(each, label="fear") if each.speaker == "s0" else each for each in utterances]
    metrics = apply_model(model, "other", foreign, "cpu", 1)
    assert (metrics["pooled"]["n"], metrics["left_out"]) == (27, 9)
    with pytest.raises(CorpusError, match="none of the labels of other") as caught:
        apply_model(model, "other", foreign[:1], "cpu", 1)
    assert "anger, neutral, sadness" in caught.value.hint


def test_faults_are_named(model, utterances):
    with pytest.raises(ModelError, match="no-model"):
        apply_model("no-model", "other", utterances, "cpu", 1)
    with pytest.raises(SettingsError, match="device"):
        apply_model(model, "other", utterances[:1], "abacus", 1)
