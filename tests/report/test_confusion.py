from __future__ import annotations

import json

import numpy as np
import pytest

from pcqtool.errors import SettingsError
from pcqtool.evaluation.run_directory import read_run
from pcqtool.report.confusion import (
    ConfusionMatrix,
    check_confusion_path,
    confusion_matrix,
    confusion_table,
    draw_confusion,
)
from pcqtool.report.paper_table import csv_text, latex, markdown, write_table
from tests.json_schemas import check_json


def test_shares_are_of_the_true_class(write_run):
    matrix = confusion_matrix(read_run(write_run()))
    assert matrix.fractions == pytest.approx(np.array([[0.75, 0.25, 0], [0.25, 0.5, 0.25], [0, 0, 1]]))
    assert matrix.rows()[0] == {"true": "anger", "anger": 6, "neutral": 2, "sadness": 0, "recall": 0.75}


def test_a_class_that_nobody_spoke_has_no_recall():
    matrix = ConfusionMatrix(("anger", "neutral"), np.array([[0, 0], [1, 3]]))
    assert np.isfinite(matrix.fractions).all()
    assert [row["recall"] for row in matrix.rows()] == [None, 0.75]


def test_the_figure_says_classes_counts_and_shares(write_run, tmp_path, words):
    draw_confusion(confusion_matrix(read_run(write_run())), "A title", tmp_path / "c.svg")
    said = words(tmp_path / "c.svg")
    assert {"A title", "anger", "anger (8)", "sadness (4)", "75", "6", "100"} <= set(said)
    assert any("%" in each for each in said)
    assert "0" not in said  # what did not happen is left empty


def test_the_table_has_counts_and_recalls(write_run, tmp_path):
    table = confusion_table(confusion_matrix(read_run(write_run())), "run, 50 %", "LEAKS.")
    assert "true, predicted $\\rightarrow$ & anger & neutral & sadness & recall, \\% \\\\" in latex(table)
    assert "anger & 6 & 2 & 0 & 75.0 \\\\" in latex(table)
    assert "Warning: LEAKS." in latex(table)
    assert "| anger | 6 | 2 | 0 | 75.0 |" in markdown(table)
    assert csv_text(table).splitlines()[:2] == ["true,anger,neutral,sadness,recall", "anger,6,2,0,0.75"]
    write_table(table, tmp_path / "t.json")
    found = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    check_json(found)
    assert found["counts"] == [[6, 2, 0], [1, 2, 1], [0, 0, 4]]


def test_a_class_without_files_has_an_empty_cell():
    table = confusion_table(ConfusionMatrix(("anger", "neutral"), np.array([[0, 0], [1, 3]])), "t")
    assert table.rows[0] == ("anger", "0", "0", "")


def test_an_unknown_format_is_refused_with_both_lists(tmp_path):
    with pytest.raises(SettingsError, match=r"\.svg, \.png, \.pdf for a figure, or \.tex, \.csv, \.md, \.json"):
        check_confusion_path(tmp_path / "c.doc")
