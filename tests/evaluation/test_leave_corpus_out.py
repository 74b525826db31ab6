"""Leave one corpus out, with labels that only one corpus has."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from pcqtool.corpora.pool import CorpusPool
from pcqtool.errors import SettingsError
from pcqtool.evaluation.api import evaluate
from pcqtool.evaluation.cross_corpus import between_corpora
from pcqtool.evaluation.cross_validation import EvaluationTask, cross_validate
from pcqtool.evaluation.summary import conclude
from pcqtool.progress import Progress
from pcqtool.splits import find_protocol, leave_corpus_out, only_parts_of
from pcqtool.training.experiment import Experiment

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpora(pool_of, utterances):
    """Two speakers with all three classes, and two whose neutral recordings count as fear."""
    one = [each for each in utterances if each.speaker in ("s0", "s1")]
    two = [
        replace(each, label="fear" if each.label == "neutral" else each.label) for each in utterances if each not in one
    ]
    return CorpusPool((*pool_of("one", one).members, *pool_of("two", two).members))


@pytest.fixture(scope="module")
def run(corpora, toy_recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("left-out")
    protocol = leave_corpus_out(corpora)
    reports = []
    experiment = Experiment(corpora.utterances, toy_recipe(epochs=3), CPU, corpora=corpora.corpus_of_each).prepare()
    task = between_corpora(experiment, corpora, 1, reports.append)
    folds = {seed: protocol.folds(task.utterances, seed) for seed in (0, 1)}
    torch.set_num_threads(1)
    return task, protocol, folds, cross_validate(task, folds, folder), folder, reports


def test_only_shared_labels_are_predicted_and_scored(run):
    task, _, _, results, _, _ = run
    labels = task.experiment.labels
    assert labels == ("anger", "fear", "neutral", "sadness")
    for result in results:
        assert {task.utterances[index].label for index in result.fold.test} == {"anger", "sadness"}
        assert len(result.fold.test) == 12
        for probabilities in (result.probabilities, result.uncalibrated):
            np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
            assert not probabilities[:, [labels.index("fear"), labels.index("neutral")]].any()


def test_recordings_are_segmented_as_labelling_does(run):
    task, _, _, _, _, reports = run
    assert task.test_data.n_augmented == 0
    assert task.test_data.recording_lengths is not None
    assert task.experiment.data.recording_lengths is None
    assert {each.unit for each in reports} == {"test recordings segmented"}


def test_figures_are_those_of_each_corpus_their_mean_and_all(run, corpora):
    task, protocol, folds, results, _, _ = run
    evaluation = conclude(task, protocol, folds, results).with_corpora(corpora=corpora.provenance())
    metrics = json.loads(json.dumps(evaluation.metrics, allow_nan=False))
    assert (metrics["corpus"], metrics["protocol"], metrics["labels"]) == ("one+two", "corpus", ["anger", "sadness"])
    assert metrics["left_out"] == {"fear": 6, "neutral": 6}
    assert (metrics["n_utterances"], metrics["pooled"]["n"]) == (24, 48)
    assert list(metrics["by_fold"]) == ["one", "two"]
    for figure in ("wa", "ua", "ece"):
        assert 0 <= metrics["folds"][figure]["mean"] <= 1
    means = [metrics["by_fold"][name]["ua"] for name in ("one", "two")]
    assert metrics["folds"]["ua"]["mean"] == pytest.approx(np.mean(means))
    assert "Trained on two; the test corpus one was left out." in metrics["leakage"]
    assert (metrics["leaks"], metrics["speaker_independent"]) == (False, True)
    assert set(evaluation.table["speaker"].to_pylist()) == {"one:s0", "one:s1", "two:s2", "two:s3"}
    for each in metrics["runs"]:
        (prefix,) = {name.split(":")[0] for name in each["validation_speakers"]}
        assert prefix != each["fold"]


def test_finished_folds_are_kept(run, monkeypatch):
    task, _, folds, results, folder, _ = run
    monkeypatch.setattr(Experiment, "train", None)
    again = cross_validate(task, folds, folder)
    assert [each.elapsed_s for each in again] == [each.elapsed_s for each in results]


def test_parts_of_one_corpus_get_its_labels_only(corpora, toy_recipe, tmp_path):
    protocol = only_parts_of("two", find_protocol("loso"), corpora)
    experiment = Experiment(corpora.utterances, toy_recipe(epochs=2), CPU, corpora=corpora.corpus_of_each).prepare()
    task = EvaluationTask.within_corpus(experiment, corpora.name, tests_some_labels=True)
    folds = {4: protocol.folds(task.utterances, 4)}
    results = cross_validate(task, folds, tmp_path)
    assert [result.fold.name for result in results] == ["two:s2", "two:s3"]
    for result in results:
        assert not result.probabilities[:, task.experiment.labels.index("neutral")].any()
        assert result.probabilities[:, task.experiment.labels.index("fear")].all()
    metrics = conclude(task, protocol, folds, results).metrics
    assert metrics["labels"] == ["anger", "fear", "sadness"]
    assert metrics["protocol_title"].endswith("of two only; trained also on one")


def test_the_public_function_refuses_to_test_a_part_of_one_corpus(toy_root, tmp_path):
    with pytest.raises(SettingsError, match="--test-corpus manifest: with --protocol, it is one of several corpora"):
        evaluate("manifest", tmp_path / "e", protocol="loso", test_corpus="manifest", root=toy_root, recipe="mini")


def test_every_stage_is_reported_by_the_public_function(toy_root, tmp_path, monkeypatch):
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "toy.toml").write_text("epochs = 2\nn_augmented = 1\nbatch_size = 8\nwarmup_steps = 0\n" + NETWORK)
    reports: list[Progress] = []
    options = {"root": toy_root, "recipe": tmp_path / "toy.toml", "device": "cpu", "jobs": 1, "validation": 1}
    evaluate("manifest", tmp_path / "e", protocol="loso", **options, on_progress=reports.append)
    units = list(dict.fromkeys(each.unit for each in reports))
    assert units == ["recordings read", "recordings augmented", "folds"]
    for unit in units:
        counts = [each.done for each in reports if each.unit == unit]
        assert counts == sorted(counts)
        assert counts[-1] == next(each.total for each in reports if each.unit == unit)
    notes = [each.note for each in reports if each.unit == "folds"]
    assert sum("epoch 1 of 2" in note for note in notes) == sum("epoch 2 of 2" in note for note in notes) == 4


NETWORK = """
[network]
spectrogram_pool = [8, 4]
classifier_hidden = [8]
mlcnn_channels = [4, 8]
mlcnn_strides = [2, 2]
"""
