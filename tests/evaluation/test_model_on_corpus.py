from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pcqtool.corpora.datasets.emodb import EmoDB
from pcqtool.corpora.datasets.iemocap import IEMOCAP
from pcqtool.corpora.pool import CorpusPool
from pcqtool.errors import CorpusError, SettingsError
from pcqtool.evaluation.cross_validation import EvaluationTask
from pcqtool.evaluation.model_on_corpus import evaluate_model
from pcqtool.metrics.scores import score
from pcqtool.training import segments
from pcqtool.training.export import export_model
from tests.json_schemas import check_json


@pytest.fixture(scope="module")
def model(tmp_path_factory, pool, experiment, fold, trained):
    out = tmp_path_factory.mktemp("applied") / "toy"
    export_model(out, "toy", pool, experiment, fold, trained)
    return str(out)


def test_a_model_is_scored_as_the_experiment_scores_it(
    model, pool_of, experiment, trained, utterances, fold, monkeypatch
):
    monkeypatch.setattr(segments, "_cut_speech", lambda wave: [])  # as the experiment, which does not trim silence
    chosen = [utterances[index] for index in fold.test]
    evaluation = evaluate_model(model, pool_of("other", chosen), "cpu", 1)
    metrics = evaluation.metrics
    calibrated, uncalibrated = EvaluationTask.within_corpus(experiment, "toy").predict(trained, fold.test)
    truth = experiment.targets[list(fold.test)]
    wanted = score(truth, calibrated.argmax(axis=1), calibrated, experiment.labels, uncalibrated=uncalibrated)
    assert metrics["pooled"]["confusion"] == wanted.confusion
    assert metrics["pooled"]["ece"] == pytest.approx(wanted.ece, abs=0.02)
    assert metrics["pooled"]["ece_uncalibrated"] == pytest.approx(wanted.ece_uncalibrated, abs=0.02)
    assert metrics["pooled"]["wa_interval"] is None
    assert (metrics["corpus"], metrics["left_out"], metrics["labels_not_in_corpus"]) == ("other", {}, [])
    assert not metrics["renormalised"]
    assert "toy" in metrics["protocol"]
    assert json.loads(json.dumps(metrics)) == metrics
    check_json(metrics)
    assert evaluation.table["truth"].to_pylist() == [each.label for each in chosen]
    assert evaluation.table["seed"].null_count == 9
    assert (evaluation.model, len(evaluation.model_sha256)) == ("toy", 64)


def test_its_stages_are_reported(model, pool_of, utterances):
    reports = []
    found = evaluate_model(model, pool_of("other", utterances), "cpu", 1, on_progress=reports.append)
    n_segments = sum(found.table["n_segments"].to_pylist())
    for unit, n in (("test recordings segmented", 36), ("segments predicted", n_segments)):
        counts = [each.done for each in reports if each.unit == unit]
        assert counts == sorted(counts)
        assert (counts[0], counts[-1]) == (0, n)
        assert len(counts) > 1
        assert {each.total for each in reports if each.unit == unit} == {n}


def test_it_warns_of_a_corpus_that_the_model_knows(model, pool_of, utterances):
    known = evaluate_model(model, pool_of("manifest", utterances), "cpu", 1).metrics
    assert "manifest" in known["warning"]
    assert known["leaks"]
    assert known["leakage"].startswith("LEAKS")
    foreign = evaluate_model(model, pool_of("emodb", utterances), "cpu", 1).metrics
    assert "warning" not in foreign
    assert not foreign["leaks"]
    assert foreign["leakage"] == (
        "Nothing was trained. The model was trained on manifest; "
        "whether recordings of emodb were among them is unknown."
    )


def test_of_several_corpora_the_known_one_is_warned_of(model, pool_of, utterances):
    parts = [pool_of(name, some).members[0] for name, some in (("manifest", utterances[:18]), ("b", utterances[18:]))]
    metrics = evaluate_model(model, CorpusPool(tuple(parts)), "cpu", 1).metrics
    assert (metrics["corpus"], metrics["n_speakers"]) == ("manifest+b", 4)
    assert metrics["warning"] == (
        "the model was trained on a corpus called manifest; if it is this one, the figures are not a test"
    )


def test_a_corpus_is_known_under_any_name(pool_of, utterances, experiment, fold, trained, tmp_path):
    emodb = EmoDB(tmp_path)
    export_model(tmp_path / "m", "m", pool_of("berlin", utterances, emodb), experiment, fold, trained)
    for name, corpus, leaks in (("emodb", emodb, True), ("phone", emodb, True), ("mine", None, False)):
        metrics = evaluate_model(str(tmp_path / "m"), pool_of(name, utterances, corpus), "cpu", 1).metrics
        assert metrics["leaks"] == leaks, name
    assert "whether recordings of mine were among them is unknown" in metrics["leakage"]
    apart = evaluate_model(str(tmp_path / "m"), pool_of("iemocap", utterances, IEMOCAP(tmp_path)), "cpu", 1).metrics
    assert apart["leakage"] == "Nothing was trained. The model was trained on berlin, not on iemocap."


def test_labels_that_the_model_has_not_are_left_out_and_counted(model, pool_of, utterances):
    foreign = [replace(each, label="fear") if each.speaker == "s0" else each for each in utterances]
    metrics = evaluate_model(model, pool_of("other", foreign), "cpu", 1).metrics
    assert (metrics["pooled"]["n"], metrics["left_out"]) == (27, {"fear": 9})
    assert not metrics["renormalised"]


def test_labels_that_the_corpus_has_not_are_no_possible_answers(model, pool_of, utterances):
    whole = evaluate_model(model, pool_of("other", utterances), "cpu", 1)
    less = [each for each in utterances if each.label != "neutral"]
    part = evaluate_model(model, pool_of("other", less), "cpu", 1)
    metrics = part.metrics
    assert (metrics["labels"], metrics["labels_not_in_corpus"]) == (["anger", "sadness"], ["neutral"])
    assert metrics["renormalised"]
    assert len(metrics["pooled"]["confusion"]) == 2
    before = {row["file"]: row for row in whole.table.to_pylist()}
    for row in part.table.to_pylist():
        old = before[row["file"]]
        for kind in ("prob", "uncalibrated"):
            shared = old[f"{kind}_anger"] + old[f"{kind}_sadness"]
            assert row[f"{kind}_anger"] == pytest.approx(old[f"{kind}_anger"] / shared, abs=1e-5)
            assert row[f"{kind}_anger"] + row[f"{kind}_sadness"] == pytest.approx(1.0)
        assert "prob_neutral" not in row


@pytest.mark.parametrize(
    ("labels", "text"), [(("fear", "fear"), "has none of"), (("fear", "anger"), "has only anger of")]
)
def test_too_few_shared_labels_are_an_error(model, pool_of, utterances, labels, text):
    foreign = [replace(each, label=label) for each, label in zip(utterances, labels, strict=False)]
    with pytest.raises(CorpusError, match=f"{text} the labels of other") as caught:
        evaluate_model(model, pool_of("other", foreign), "cpu", 1)
    assert "anger, neutral, sadness" in caught.value.hint


def test_faults_are_named(model, pool_of, utterances):
    with pytest.raises(SettingsError, match="no-model"):
        evaluate_model("no-model", pool_of("other", utterances), "cpu", 1)
    with pytest.raises(SettingsError, match="device"):
        evaluate_model(model, pool_of("other", utterances[:9]), "abacus", 1)
