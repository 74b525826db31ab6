from __future__ import annotations

import pytest

from pcqtool.errors import SettingsError, TableError
from pcqtool.evaluation.run_directory import read_run
from pcqtool.report.risk_coverage import draw_risk_coverage, predictions_by_run


def test_each_run_has_a_line_with_its_thresholds(predictions, tmp_path, words):
    draw_risk_coverage({"one": predictions, "two": predictions}, "A title", tmp_path / "r.svg")
    said = words(tmp_path / "r.svg")
    assert {"A title", "one", "two", "coverage: files that keep a label, %"} <= set(said)
    assert (said.count("0.7"), said.count("0.8")) == (2, 2)
    assert "0.9" not in said  # no prediction is that sure


def test_the_same_runs_give_the_same_file(predictions, tmp_path):
    for name in ("a.svg", "b.svg"):
        draw_risk_coverage({"one": predictions}, "A title", tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_runs_are_told_apart(write_run, tmp_path, monkeypatch):
    monkeypatch.setattr("pcqtool.evaluation.run_directory.load_predictions", lambda folder: (folder, None))
    first, second, same = write_run("a"), write_run("b"), write_run("sub/a")
    runs = [read_run(each) for each in (first, second, same)]
    assert predictions_by_run(runs[:2]) == {"a": first, "b": second}
    assert predictions_by_run(runs) == {str(each): each for each in (first, second, same)}
    with pytest.raises(SettingsError, match="named twice"):
        predictions_by_run([runs[0], runs[0]])
    with pytest.raises(SettingsError, match="9 runs are too many"):
        predictions_by_run(runs * 3)


def test_a_run_without_predictions_is_named(write_run):
    with pytest.raises(TableError, match=r"predictions\.parquet: no such file"):
        predictions_by_run([read_run(write_run("a"))])
