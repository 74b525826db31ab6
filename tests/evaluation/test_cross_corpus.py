from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from pcqtool.corpora.pool import restrict_to_common_labels
from pcqtool.evaluation.cross_corpus import across_corpora
from pcqtool.evaluation.cross_validation import EvaluationTask, cross_validate
from pcqtool.evaluation.summary import conclude
from pcqtool.splits import cross_corpus_protocol
from pcqtool.training.experiment import Experiment
from tests.json_schemas import check_json

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pools(pool_of, utterances):
    """Speakers 0 to 2 of the toy corpus to learn from, 2 and 3 as another corpus without neutral files."""
    heard = [each for each in utterances if each.speaker in ("s0", "s1") or each.path.stem.endswith("2-0")]
    other = [each for each in utterances if each not in heard and each.label != "neutral"]
    return restrict_to_common_labels(pool_of("one", heard), pool_of("two", other))


@pytest.fixture(scope="module")
def run(pools, toy_recipe, tmp_path_factory):
    train, test = pools
    folder = tmp_path_factory.mktemp("across")
    protocol = cross_corpus_protocol(train, test)
    task = across_corpora(Experiment(train.prefixed_utterances, toy_recipe(), CPU).prepare(), test)
    folds = {seed: protocol.folds(task.utterances, seed) for seed in (0, 1)}
    torch.set_num_threads(1)
    results = cross_validate(task, folds, folder)
    return task, protocol, folds, results, folder


def test_the_test_corpus_is_neither_trained_on_nor_augmented(run, pools):
    task = run[0]
    train, test = pools
    assert task.experiment.labels == ("anger", "sadness")
    assert len(task.experiment.data.rows(0, 1))
    assert int(task.experiment.data.utterance.max()) + 1 == len(train.utterances) == len(task.experiment.targets)
    assert task.test_indices(range(len(train.utterances), len(task.utterances))) == list(range(len(test.utterances)))
    assert (task.test_data.n_augmented, int(task.test_data.utterance.max()) + 1) == (0, len(test.utterances))


def test_predictions_are_those_of_a_model_that_was_trained_without_it(run, pools, toy_recipe):
    _, _, folds, results, _ = run
    train, test = pools
    alone = Experiment(train.prefixed_utterances, toy_recipe(), CPU).prepare()
    torch.set_num_threads(1)
    trained = alone.train(folds[0][0], 0)
    other = Experiment(test.utterances, toy_recipe(), CPU).prepare()
    calibrated, uncalibrated = EvaluationTask.within_corpus(other, "two").predict(trained, range(len(test.utterances)))
    np.testing.assert_allclose(results[0].probabilities, calibrated, atol=1e-6)
    np.testing.assert_allclose(results[0].uncalibrated, uncalibrated, atol=1e-6)


def test_figures_are_those_of_the_test_corpus_under_its_own_names(run, pools):
    task, protocol, folds, results, _ = run
    train, test = pools
    evaluation = conclude(task, protocol, folds, results)
    evaluation = evaluation.with_corpora(corpora=train.provenance(), test_corpora=test.provenance())
    metrics = json.loads(json.dumps(evaluation.metrics, allow_nan=False))
    check_json(metrics)
    assert (metrics["corpus"], metrics["protocol"]) == ("two", "cross-corpus")
    assert metrics["protocol_title"] == "train one, test two, 2 shared labels"
    assert (metrics["n_utterances"], metrics["n_speakers"], metrics["seeds"]) == (10, 2, [0, 1])
    assert (metrics["leaks"], metrics["speaker_independent"]) == (False, True)
    assert metrics["data"]["corpus"] == "two"
    low, high = metrics["pooled"]["wa_interval"]
    assert low <= metrics["pooled"]["wa"] <= high
    assert [each["name"] for each in metrics["corpora"] + metrics["test_corpora"]] == ["one", "two"]
    assert metrics["corpora"][0]["left_out"] == {"neutral": 7}
    (first, second) = metrics["runs"]
    assert (first["fold"], first["n_test"], first["n_train"] + first["n_validation"]) == ("two", 10, 14)
    assert all(name.startswith("one:") for each in (first, second) for name in each["validation_speakers"])
    table = evaluation.table
    assert set(table["speaker"].to_pylist()) == {"s2", "s3"}
    assert sorted(each.path.name for each in test.utterances) == table["file"].to_pylist()[::2]
    assert set(table["fold"].to_pylist()) == {"two"}


def test_what_is_finished_is_not_trained_again_but_for_another_test_corpus(run, pools, pool_of, monkeypatch):
    task, _, folds, results, folder = run
    trained = []
    monkeypatch.setattr(Experiment, "train", lambda self, fold, seed, checkpoint: trained.append(fold.name) or 1 / 0)
    again = cross_validate(task, folds, folder)
    assert [each.best_epoch for each in again] == [each.best_epoch for each in results]
    train, test = pools
    less = pool_of("two", test.utterances[:-1])
    other = across_corpora(task.experiment, less)
    with pytest.raises(ZeroDivisionError):
        cross_validate(other, {0: cross_corpus_protocol(train, less).folds(other.utterances, 0)}, folder)
    assert trained == ["two"]


@pytest.mark.slow
def test_a_frozen_encoders_states_are_kept_of_both(pools, toy_recipe, tiny_whisper, tmp_path, monkeypatch):
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path))
    train, test = pools
    recipe = toy_recipe({"frozen": True, "layers": [0, 1]}, epochs=1)
    task = across_corpora(Experiment(train.prefixed_utterances, recipe, CPU, str(tiny_whisper)).prepare(), test)
    assert len(list((tmp_path / "features").iterdir())) == 2
    assert task.test_data.states is not None
    fold = cross_corpus_protocol(train, test).folds(task.utterances, 0)[0]
    calibrated, _ = task.predict(task.experiment.train(fold, 0), fold.test)
    np.testing.assert_allclose(calibrated.sum(axis=1), 1.0)
    assert calibrated.shape == (10, 2)
