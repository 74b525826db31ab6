from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from pcqtool.batch.profiling import AUTO, BY_SPEAKER
from pcqtool.errors import ReportError
from pcqtool.evaluation.corpus_profile import PROFILE_NOTES
from pcqtool.evaluation.run_directory import FinishedRun
from pcqtool.model.profile_file import OFF

DOCS = Path(__file__).parents[2] / "docs"


def _load_script():
    spec = spec_from_file_location("make_results", DOCS / "make_results.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up their module there
    spec.loader.exec_module(module)
    return module


make_results = _load_script()
check_page, leaks, read_published, render = (
    make_results.check_page,
    make_results.leaks,
    make_results.read_published,
    make_results.render,
)


@pytest.fixture
def folder(tmp_path, write_run):
    """A folder of runs: one that is honest, one that shares speakers and one that leaks."""
    runs = tmp_path / "docs" / "results"
    runs.mkdir(parents=True)
    shares = {"overlap": {"test": {"files": 0, "speakers": 9, "sessions": None, "texts": 4}}}
    for name, changes in {
        "honest": {},
        "shared": {"protocol": "random10", **shares},
        "leaky": {"protocol": "paper", "leaks": True},
    }.items():
        (runs / f"{name}.json").write_bytes((write_run(name, **changes) / "metrics.json").read_bytes())
    return runs


def test_the_page_in_the_repository_is_up_to_date():
    check_page(DOCS / "results", DOCS / "results.md")


def test_every_run_is_there_with_all_that_is_needed_to_believe_it(folder, tmp_path):
    page = tmp_path / "docs" / "results.md"
    text = render(folder, page)
    for said in (
        "75.0 ± 2.0 (60.0 to 90.0)",
        "| seeds | 0, 1 |",
        "`pcqtool evaluate --corpus emodb`",
        "16 utterances, 4 speakers, 0.01 h",
        "Abacus 3000, 2 cores",
        "pcqtool 9.9, torch 8.8",
        "2024-02-29",
        "files 0, speakers 0, sessions unknown, texts 4",
        "before the temperature 0.200",
        "(results/honest.json)",
    ):
        assert said in text
    assert all(f"\n### {name}\n" in text for name in ("honest", "shared", "leaky"))


def test_a_run_may_show_what_a_minimum_of_confidence_does(tmp_path, write_run):
    coverage = [
        {"min_confidence": 0.5, "coverage": 0.75, "accuracy": 0.9},
        {"min_confidence": 0.95, "coverage": 0.0, "accuracy": None},
    ]
    runs = tmp_path / "docs" / "results"
    runs.mkdir(parents=True)
    (runs / "a.json").write_bytes((write_run("a", risk_coverage=coverage) / "metrics.json").read_bytes())
    text = render(runs, tmp_path / "docs" / "results.md")
    assert (
        "| `--min-confidence` | 0.5 | 0.95 |\n| --- | --- | --- |\n"
        "| files that keep a label, % | 75.0 | 0.0 |\n| correct of these, % | 90.0 |  |\n"
    ) in text


def test_what_leaks_is_marked_and_comes_last(folder, tmp_path):
    text = render(folder, tmp_path / "docs" / "results.md")
    rows = [line.split(" | ") for line in text.splitlines() if line.endswith("| this tool |")]
    assert [(row[0].split("]")[0], row[4]) for row in rows] == [
        ("| **[honest", "–"),
        ("| **[leaky", "T"),
        ("| **[shared", "S"),
    ]
    table = [line.split(" | ")[4] for line in text.splitlines() if line.count(" | ") == 5 and "---" not in line][1:]
    assert table == sorted(table, key=lambda leak: leak != "–")


def test_published_figures_stand_beside_ours(folder, tmp_path):
    text = render(folder, tmp_path / "docs" / "results.md")
    own = [each for each in read_published() if each.corpus == "emodb"]
    assert own
    assert all(f"| {each.system} | {each.protocol} | {each.wa:g} |" in text for each in own)
    assert "IEMOCAP" not in text  # nothing of ours to compare with


def test_published_figures_are_in_per_cent_and_have_a_source():
    for each in read_published():
        assert 1 < each.wa <= 100
        assert each.ua is None or 1 < each.ua <= 100
        assert set(each.leaks) <= {"S", "T", "?"}
        assert each.source
        assert ("S" in each.leaks) == ("random" in each.protocol)


def test_a_study_has_its_table(folder, tmp_path):
    pooled = {"wa": 0.5, "ua": 0.4}
    against = {key: {"difference": -0.1, "interval": [-0.2, -0.05]} for key in pooled}
    variants = [{"name": "whole", "pooled": pooled}, {"name": "w/o PDC", "pooled": pooled, "against_first": against}]
    study = {"study": "ablations", "corpus": "emodb", "protocol": "loso", "seeds": [0], "variants": variants}
    (folder / "parts.json").write_text(json.dumps(study))
    text = render(folder, tmp_path / "docs" / "results.md")
    assert "## Study: parts" in text
    assert "| w/o PDC | 50.0 | 40.0 | -10.0 (-20.0 to -5.0) | -10.0 (-20.0 to -5.0) |" in text


def test_the_script_writes_and_checks_the_page(folder, tmp_path):
    docs, page = folder.parent, folder.parent / "results.md"
    for name in ("make_results.py", "published.toml"):
        shutil.copy(DOCS / name, docs / name)

    def run(*arguments):
        command = [sys.executable, docs / "make_results.py", *arguments]
        environment = os.environ | {"PYTHONPATH": os.fspath(DOCS.parent)}  # the script imports benchmarks
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    checked = run("--check")
    assert (checked.returncode, checked.stdout) == (1, "")
    assert "does not agree with the runs" in checked.stderr
    assert "python docs/make_results.py" in checked.stderr
    assert run().returncode == 0
    assert "### honest" in page.read_text()
    assert run("--check").returncode == 0
    page.write_text(page.read_text().replace("75.0", "95.0", 1))
    assert run("--check").returncode == 1


def test_marks_come_from_counts():
    assert leaks(FinishedRun("a", Path(), {"overlap": {"test": {"speakers": 0}}, "leaks": False})) == "–"
    assert leaks(FinishedRun("a", Path(), {"overlap": {"test": {"speakers": 3}}, "leaks": True})) == "S T"
    for profile, mark in ((AUTO, "A"), (BY_SPEAKER, "A"), (OFF, "–")):
        leakage = f"Test and training share no speaker. {PROFILE_NOTES[profile]}"
        assert leaks(FinishedRun("a", Path(), {"overlap": {"test": {"speakers": 0}}, "leakage": leakage})) == mark


def test_corpora_that_were_left_out_come_first(folder, tmp_path):
    scores = {key: {"ua": 51.0, "ece": 0.1} for key in ("auto", "off", "by=speaker")}
    run = {"form": "with queries", "left out": "emodb", "seed": 0, **scores}
    (folder / "carry_over.jsonl").write_text(json.dumps(run) + "\n")
    text = render(folder, tmp_path / "docs" / "results.md")
    assert text.index("## Corpora that were left out") < text.index("### honest")
    assert "| with queries | auto | 51.0 | 51.0 | 0.100 |" in text


@pytest.mark.parametrize(("n", "marks"), [(0, "T"), (2, "S T")])
def test_speakers_that_only_validate_are_not_in_training(n, marks):
    shared = {"test": {"speakers": 1}, "validation": {"speakers": n}}
    assert leaks(FinishedRun("a", Path(), {"protocol": "paper", "overlap": shared, "leaks": True})) == marks


def test_runs_without_provenance_say_so(tmp_path, write_run):
    runs = tmp_path / "docs" / "results"
    runs.mkdir(parents=True)
    place = write_run("old", command=None, machine=None, data=None)
    (runs / "old.json").write_bytes((place / "metrics.json").read_bytes())
    text = render(runs, tmp_path / "docs" / "results.md")
    assert "| command | not recorded |" in text
    assert "| machine | not recorded |" in text


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(ReportError, match="no runs in"):
        render(tmp_path, tmp_path / "results.md")
