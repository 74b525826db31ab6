from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from benchmarks.systems.catalogue import PAPER_SYSTEMS, SYSTEMS
from benchmarks.systems.records import merge
from pcqtool.errors import ReportError

DOCS = Path(__file__).parents[2] / "docs"


def _load_script():
    spec = spec_from_file_location("make_systems", DOCS / "make_systems.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


make_systems = _load_script()
BY_NAME = {each.name: each for each in (*SYSTEMS, *PAPER_SYSTEMS)}


def record(system: str, condition: str, ua: float, **changes):
    scores = {"wa": ua, "wa_interval": [ua - 0.02, ua + 0.02], "ua": ua, "ua_interval": [ua - 0.02, ua + 0.02]}
    usual = {
        "system": system,
        "condition": condition,
        "recipe": {"name": system, "hash": BY_NAME[system].recipe_hash()},
        "overlap": {"test": {"speakers": 0}},
        "leaks": False,
        "pooled": scores,
        "over_seeds": {"ua": {"sd": None}, "wa": {"sd": None}},
        "training": {"n_folds": 10, "fold_s": 4.5, "sum_s": 45.0},
        "machine": {"processor": "Abacus 3000", "n_cores": 2, "device": "cpu"},
        "parameters": {"trained": 12345, "all": 12345},
    }
    return usual | changes


def speed(system: str, median: float):
    machine = {"processor": "Abacus 3000", "n_cores": 4, "device": "cpu"}
    return {"system": system, "condition": "speed", "speed": {"median": median, "cores": 1}, "machine": machine}


@pytest.fixture
def docs(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "images").mkdir()
    return tmp_path


def written(docs, records) -> str:
    merge(docs / "results" / "systems.jsonl", records)
    make_systems.write(docs)
    make_systems.write(docs, check=True)
    return (docs / "systems.md").read_text()


def test_the_page_in_the_repository_is_up_to_date():
    make_systems.write(DOCS, check=True)


def test_the_place_of_pcq_follows_from_the_figures(docs):
    text = written(docs, [record("best", "emodb-loso", 0.9), record("tim_net", "emodb-loso", 0.8)])
    assert (
        "PCQ with Whisper-base is first of 2 systems with 90.0 %, 10.0 points ahead of TIM-Net; the intervals do"
        in text
    )
    text = written(docs, [record("glam", "emodb-loso", 0.91)])
    assert "is second of 3 systems with 90.0 %, 1.0 points behind GLAM; the intervals overlap" in text


def test_cells_have_intervals_and_marks_and_empty_ones_are_named(docs):
    shared = {"overlap": {"test": {"speakers": 9}}}
    text = written(docs, [record("tim_net", "emodb-random10", 0.8, **shared)])
    assert "| TIM-Net | – | 80.0 (78.0 to 82.0) [S] | – | – | – | no profiles | – |" in text
    assert "EMO-DB, new speakers: all" in text
    assert "95.7 / 95.17 [S T] (random 10-fold, Ye et al., ICASSP 2023)" in text
    assert "| human listeners, published | 92.96 |" in text


def test_figures_of_an_older_recipe_do_not_count(docs):
    old = record("tim_net", "emodb-loso", 0.8, recipe={"name": "tim_net", "hash": "old"})
    assert "| TIM-Net | – |" in written(docs, [old])


def test_size_time_and_speed(docs):
    pytest.importorskip("matplotlib")
    runs = [record("best", "emodb-loso", 0.9), record("tim_net", "emodb-loso", 0.8)]
    text = written(docs, [*runs, speed("best", 60.0), speed("tim_net", 400.0)])
    assert "| PCQ with Whisper-base | 12 345 | 4.5 | 60 | 95.84 / 95.48 [?]" in text
    assert "one fold on Abacus 3000, 2 cores" in text
    assert "the systems in turn on Abacus 3000, 1 core." in text
    assert "(images/systems.svg)" in text
    (docs / "images" / "systems.svg").write_text("<svg/>")
    with pytest.raises(ReportError, match="does not agree"):
        make_systems.write(docs, check=True)


def test_the_protocols_of_the_papers_settings(docs):
    assert "## The protocol alone" not in written(docs, [record("best", "emodb-loso", 0.9)])
    leak = {"leaks": True, "protocol": "paper", "overlap": {"validation": {"speakers": 0}}}
    runs = [record("paper-whisper", name, ua) for name, ua in (("emodb-loso", 0.8), ("emodb-random10", 0.9))]
    text = written(docs, [*runs, record("paper-whisper", "emodb-paper", 0.85, **leak)])
    assert "## The protocol alone" in text
    assert "EMO-DB, random tenths: +10.0 points of UA; EMO-DB, validation = test: +5.0 points of UA" in text
    assert "85.0 (83.0 to 87.0) | T |" in text


def test_a_page_that_was_changed_by_hand_is_refused(docs):
    text = written(docs, [record("best", "emodb-loso", 0.9)])
    (docs / "systems.md").write_text(text.replace("90.0", "99.0"))
    with pytest.raises(ReportError, match=r"make_systems\.py"):
        make_systems.write(docs, check=True)
    assert json.loads((docs / "results" / "systems.jsonl").read_text())["pooled"]["ua"] == 0.9
