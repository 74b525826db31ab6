from __future__ import annotations

import json

import pytest

from pcqtool.errors import PcqtoolError, ReportError
from pcqtool.evaluation.run_directory import Estimate, read_run
from pcqtool.metrics.risk_coverage import Coverage


def test_a_run_is_read_from_its_directory_or_its_file(write_run, tmp_path):
    place = write_run("mine")
    run = read_run(place)
    assert (run.name, run.corpus, run.protocol, run.seeds) == ("mine", "emodb", "loso", (0, 1))
    assert run.title == "mine, emodb, loso"
    assert run.score("ua") == Estimate(0.75, (0.6, 0.9), 0.02)
    assert run.score("macro_f1") == Estimate(0.7)
    assert run.shared_with_training == {"files": 0, "speakers": 0, "sessions": None, "texts": 4}
    copy = tmp_path / "kept.json"
    copy.write_bytes((place / "metrics.json").read_bytes())
    assert read_run(copy).name == "kept"
    assert read_run(copy).metrics == run.metrics


def test_coverage_by_confidence_is_read_if_there_is_any(write_run):
    entries = [{"min_confidence": 0.5, "coverage": 0.75, "accuracy": 0.9}]
    assert read_run(write_run(risk_coverage=entries)).risk_coverage == (Coverage(0.5, 0.75, 0.9),)
    assert read_run(write_run("old")).risk_coverage == ()


def test_a_trained_model_has_one_seed_and_one_overlap(write_run):
    place = write_run(seed=7, overlap={"test": {"speakers": 0}, "validation": {"speakers": 2}})
    entries = json.loads((place / "metrics.json").read_text())
    for name in ("seeds", "over_seeds"):
        del entries[name]
    (place / "metrics.json").write_text(json.dumps(entries))
    run = read_run(place)
    assert run.seeds == (7,)
    assert run.shared_with_training == {"speakers": 0}
    assert run.score("wa").sd is None


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (Estimate(0.7564), "75.6"),
        (Estimate(0.7564, (0.7, 0.8)), "75.6 (70.0 to 80.0)"),
        (Estimate(0.7564, (0.7, 0.8), 0.0123), "75.6 ± 1.2 (70.0 to 80.0)"),
    ],
)
def test_scores_are_written_in_per_cent(score, text):
    assert str(score) == text


def test_histories_are_found_in_a_model_and_beside_folds(write_run):
    model = write_run("model", history=[{"number": 1}])
    assert read_run(model).curves == {"": ({"number": 1},)}
    run = write_run("run", runs=[{"seed": seed, "fold": "a b", "elapsed_s": 1.5} for seed in (0, 1, 2)])
    for name, elapsed_s in {
        "seed-0/a%20b": 1.5,
        "seed-1/a%20b": 1.5,
        "seed-1/of-an-earlier-run": 1.5,
        "seed-2/a%20b": 2.5,  # of a later run, which was stopped before it wrote its metrics.json
    }.items():
        path = run / "folds" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"elapsed_s": elapsed_s, "history": [{"number": 2}]}))
    assert list(read_run(run).curves) == ["seed-0/a%20b", "seed-1/a%20b"]


@pytest.mark.parametrize(
    ("text", "part"), [("{", "not JSON"), ("[]", "not the metrics.json of a run"), (None, "cannot read")]
)
def test_what_is_not_a_run_is_named(tmp_path, text, part):
    if text is not None:
        (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(ReportError, match=part) as raised:
        read_run(tmp_path)
    assert "metrics.json" in raised.value.what


def test_what_a_run_has_not_kept_is_named(write_run):
    run = read_run(write_run())
    with pytest.raises(ReportError, match="no history of a training run"):
        _ = run.curves
    with pytest.raises(PcqtoolError, match="predictions"):
        _ = run.predictions
    bare = read_run(write_run("bare", pooled=None))
    with pytest.raises(ReportError, match="no scores"):
        _ = bare.pooled
