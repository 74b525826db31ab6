from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from pcqtool.evaluation.cross_validation import EvaluationTask, FoldResult
from pcqtool.evaluation.summary import conclude, describe_machine, summarise
from pcqtool.splits import PROTOCOLS
from tests.json_schemas import check_json

LOSO = PROTOCOLS["loso"]


def results_of(experiment, folds, wrong):
    """Every file is judged right, but for the (seed, fold) pairs in ``wrong``."""
    results = []
    for seed, some in folds.items():
        for fold in some:
            right = np.eye(3)[experiment.targets[list(fold.test)]] * 0.94 + 0.02
            if (seed, fold.name) in wrong:
                right = np.roll(right, 1, axis=1)
            history = [
                {"number": 1, "validation_loss": 0.5, "validation_ua": 0.75},
                {"number": 2, "validation_loss": 0.9, "validation_ua": 0.25},
            ]
            results.append(FoldResult(fold, seed, right, right, 1.25, 1, history, 2.5))
    return results


def conclusion(experiment, seeds, wrong, protocol=LOSO):
    folds = {seed: protocol.folds(experiment.utterances, seed) for seed in seeds}
    task = EvaluationTask.within_corpus(experiment, "hums")
    return conclude(task, protocol, folds, results_of(experiment, folds, wrong))


def test_one_seed_gives_all_that_belongs_to_a_figure(experiment):
    evaluation = conclusion(experiment, [7], {(7, "s0")})
    metrics = json.loads(json.dumps(evaluation.metrics, allow_nan=False))
    check_json(metrics)
    assert metrics == evaluation.metrics | {"recipe": metrics["recipe"]}
    assert (metrics["corpus"], metrics["protocol"], metrics["leaks"]) == ("hums", "loso", False)
    assert metrics["leakage"].startswith("Test and the other parts share no file and no speaker.")
    assert metrics["overlap"]["test"] == {"files": 0, "speakers": 0, "sessions": None, "texts": None}
    assert (metrics["n_utterances"], metrics["n_speakers"], metrics["seeds"]) == (36, 4, [7])
    assert metrics["pooled"]["wa"] == metrics["pooled"]["ua"] == 0.75
    assert metrics["pooled"]["wa_interval"][0] < 0.75 < metrics["pooled"]["wa_interval"][1]
    assert metrics["folds"]["wa"] == {"mean": 0.75, "sd": 0.5}
    assert metrics["risk_coverage"][0] == {"min_confidence": 0.3, "coverage": 1.0, "accuracy": 0.75}
    assert metrics["risk_coverage"][-1] == {"min_confidence": 0.95, "coverage": 1.0, "accuracy": 0.75}
    assert metrics["over_seeds"]["wa"] == {"mean": 0.75, "sd": None}
    assert metrics["by_fold"]["s0"]["wa"] == 0.0
    assert metrics["by_fold"]["s1"]["wa"] == metrics["by_fold"]["s1"]["ua"] == 1.0
    assert "ensembled_seeds" not in metrics
    assert metrics["validation_ua"] == 0.75
    run = metrics["runs"][1]
    assert (run["fold"], run["seed"], run["best_epoch"], run["n_epochs"], run["elapsed_s"]) == ("s1", 7, 1, 2, 2.5)
    assert (run["n_train"], run["n_validation"], run["n_test"], run["temperature"]) == (18, 9, 9, 1.25)
    assert run["n_trained_on"] == 18
    assert len(run["validation_speakers"]) == 1
    assert run["overlap"]["test"]["speakers"] == 0
    assert metrics["recipe"]["name"] == "toy"
    assert (metrics["encoder"], metrics["teacher"]) == (None, None)
    assert (evaluation.model, evaluation.model_sha256, evaluation.aggregation) == ("toy", "", "mean-log")


def test_several_seeds_are_averaged_and_their_joint_decision_stands_apart(experiment):
    wrong = {(0, "s0"), (1, "s0"), (2, "s0"), (0, "s1")}
    metrics = conclusion(experiment, [0, 1, 2], wrong).metrics
    assert [metrics["by_seed"][name]["wa"] for name in ("0", "1", "2")] == pytest.approx([0.5, 0.75, 0.75])
    assert metrics["over_seeds"]["wa"]["mean"] == pytest.approx(2 / 3)
    assert metrics["over_seeds"]["wa"]["sd"] == pytest.approx(0.25 / 3**0.5)
    assert metrics["pooled"]["wa"] == pytest.approx(metrics["over_seeds"]["wa"]["mean"])
    assert metrics["pooled"]["ua"] == pytest.approx(metrics["over_seeds"]["ua"]["mean"])
    assert (metrics["pooled"]["n"], metrics["n_utterances"]) == (108, 36)
    assert metrics["by_fold"]["s1"]["wa"] == pytest.approx(2 / 3)
    assert metrics["folds"]["wa"]["mean"] == pytest.approx(2 / 3)
    assert (metrics["ensembled_seeds"]["wa"], metrics["ensembled_seeds"]["n"]) == (0.75, 36)
    assert "ensemble" in metrics["ensembled_seeds"]["what"]
    assert len(metrics["runs"]) == 12


def test_a_leak_is_report(experiment):
    metrics = conclusion(experiment, [0], (), PROTOCOLS["paper"]).metrics
    assert metrics["leaks"]
    assert metrics["leakage"].startswith("LEAKS")
    assert metrics["overlap"]["test"]["files"] == 9


def test_what_was_not_trained_has_neither_seeds_nor_folds(predictions):
    metrics = summarise(predictions([("a", 0, "s0", 0, 0.5, None), ("b", 1, "s1", 1, 0.75, None)]))
    assert metrics["pooled"]["wa"] == 1.0
    assert [each["coverage"] for each in metrics["risk_coverage"]] == [1.0, 1.0, 1.0, 0.5, 0.5, 0.0, 0.0, 0.0]
    assert [each["accuracy"] for each in metrics["risk_coverage"]] == [1.0] * 5 + [None] * 3
    assert not {"seeds", "folds", "by_seed", "ensembled_seeds"} & metrics.keys()


def test_the_machine_is_named():
    found = describe_machine(torch.device("cpu"))
    assert found["machine"]["device"] == "cpu"
    assert found["machine"]["n_cores"] >= 1
    assert found["machine"]["processor"]
    assert found["torch_version"] == torch.__version__
