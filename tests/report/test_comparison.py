from __future__ import annotations

import csv
import json

import pytest

import pcqtool
from pcqtool.errors import SettingsError
from tests.toy_training import spoken

LEAK = {"protocol": "paper", "leaks": True, "leakage": "LEAKS on purpose."}


@pytest.fixture
def runs(save_run):
    return [save_run("my_best", spoken()), save_run("mini", spoken(1)), save_run("old", spoken(2), **LEAK)]


def test_every_format_has_every_run(runs, tmp_path):
    for suffix in ("tex", "csv", "md", "json"):
        found = pcqtool.compare_runs(runs, out=tmp_path / f"t.{suffix}")
    assert [run.name for run in found.runs] == ["my_best", "mini", "old"]
    text = (tmp_path / "t.tex").read_text(encoding="utf-8")
    assert "my\\_best & 100.0" in text
    assert "& LEAKS \\\\" in text
    assert "24 utterances of 4 speakers: all that the runs have." in text
    assert "| my\\_best | 100.0" in (tmp_path / "t.md").read_text(encoding="utf-8")
    rows = list(csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8")))
    assert [row["leaks"] for row in rows] == ["False", "False", "True"]
    assert float(rows[1]["wa_difference"]) == pytest.approx(-1 / 6)
    assert rows[0]["wa_p_holm"] == ""
    document = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert next(iter(document)) == "schema"
    assert document["schema"] == "pcqtool.compare/1"
    assert document["warnings"] == ["old: LEAKS on purpose.", "the protocols differ: loso and paper"]


def test_a_baseline_may_be_among_the_runs_or_not(runs):
    inside, outside = pcqtool.compare_runs(runs, baseline=runs[1]), pcqtool.compare_runs(runs[::2], baseline=runs[1])
    assert inside.baseline == outside.baseline == "mini"
    assert not inside.baseline_is_best
    assert [run.name for run in inside.runs] == [run.name for run in outside.runs]
    best, mini, _ = inside.runs
    assert mini.from_baseline is None
    assert best.from_baseline["ua"].difference > 0


@pytest.mark.parametrize(
    ("chosen", "options", "text"),
    [
        ((0,), {}, "one run cannot be compared"),
        ((0, 1, 0), {}, "is named twice"),
        ((0, 1), {"out": "t.docx"}, r"must end in \.tex, \.csv, \.md, \.json"),
    ],
)
def test_wrong_use_is_named(runs, chosen, options, text):
    with pytest.raises(SettingsError, match=text):
        pcqtool.compare_runs([runs[index] for index in chosen], **options)
