from __future__ import annotations

import numpy as np
import pytest

from pcqtool.evaluation.run_directory import read_run
from pcqtool.report.confusion import ConfusionMatrix, confusion_matrix, draw_confusion


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
