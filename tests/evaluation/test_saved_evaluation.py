from __future__ import annotations

import json

import pytest

from pcqtool.errors import FileError, TableError
from pcqtool.evaluation.run_directory import Evaluation, load_predictions
from pcqtool.tables.reader import read_files

ROWS = [("a", 0, "s0", 0, 0.5), ("b", 2, "s1", 1, 0.75)]
METRICS = {"labels": ["anger", "neutral", "sadness"], "protocol": "loso", "leaks": False, "leakage": "ä", "pooled": {}}


@pytest.fixture
def evaluation(prediction_table):
    return Evaluation(METRICS, prediction_table(ROWS), "toy", "", "mean-log")


def test_it_is_read_as_it_was_written(evaluation, predictions, tmp_path):
    evaluation.save(tmp_path / "e")
    assert json.loads((tmp_path / "e" / "metrics.json").read_text(encoding="utf-8")) == METRICS
    wanted = predictions(ROWS)
    for place in (tmp_path / "e", tmp_path / "e" / "predictions.parquet"):
        found, provenance = load_predictions(place)
        assert read_files(tmp_path / "e" / "predictions.parquet")["truth"].to_list() == ["anger", "sadness"]
        assert found.key.tolist() == wanted.key.tolist()
        assert (found.probabilities == wanted.probabilities).all()
        assert (provenance.model, provenance.aggregation, provenance.labels) == ("toy", "mean-log", wanted.labels)
        assert provenance.settings == {"protocol": "loso", "leakage": "ä", "leaks": False}


def test_the_fingerprint_is_of_what_decided_it_and_not_of_the_figures(evaluation, prediction_table, tmp_path):
    fingerprints = []
    for number, changes in enumerate(({}, {"pooled": {"wa": 1.0}}, {"protocol": "session"})):
        Evaluation(METRICS | changes, prediction_table(ROWS), "toy", "", "mean-log").save(tmp_path / str(number))
        fingerprints.append(load_predictions(tmp_path / str(number))[1].fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_figures_are_the_mark_that_all_is_there(evaluation, tmp_path):
    (tmp_path / "predictions.parquet").mkdir()
    with pytest.raises(FileError, match=r"predictions\.parquet"):
        evaluation.save(tmp_path)
    assert not (tmp_path / "metrics.json").exists()


def test_what_is_no_evaluation_is_named(tmp_path):
    with pytest.raises(TableError, match="no such file") as caught:
        load_predictions(tmp_path)
    assert "evaluate" in caught.value.hint
    (tmp_path / "x.parquet").write_text("dear diary")
    with pytest.raises(TableError, match=r"x\.parquet"):
        load_predictions(tmp_path / "x.parquet")


def test_labelling_results_are_no_evaluation(tmp_path):
    from pcqtool.tables.provenance import Provenance
    from pcqtool.tables.schema import files_schema
    from pcqtool.tables.writer import write

    own = Provenance(model="toy", model_sha256="", labels=("anger",), fingerprint="x", aggregation="mean")
    write(tmp_path / "results.parquet", files_schema(("anger",)).empty_table(), own)
    with pytest.raises(TableError, match="not the table of an evaluation"):
        load_predictions(tmp_path / "results.parquet")
