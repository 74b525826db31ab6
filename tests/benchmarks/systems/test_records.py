from __future__ import annotations

import json

import pytest

from benchmarks.systems.catalogue import CONDITIONS, PAPER_SYSTEMS, SYSTEMS, ComparedSystem, conditions_of
from benchmarks.systems.records import collect, count_parameters, identify, make_record, merge, read
from pcqtool.errors import ReportError
from pcqtool.evaluation.run_directory import read_run

LIGHT = next(each for each in SYSTEMS if each.name == "light_sernet")
BEST = SYSTEMS[0]


@pytest.fixture
def finished(write_run):
    """Write the run of a system's recipe of today."""

    def write(system: ComparedSystem, name: str = "run", **changes):
        recipe = json.loads(json.dumps(system.load().for_corpus(16).to_dict()))
        encoder = (system.encoder or recipe["encoder"]).rpartition("/")[2] or None
        runs = [{"elapsed_s": seconds} for seconds in (3.0, 1.0, 8.0)]
        usual = {"recipe": recipe, "encoder": encoder, "runs": runs, "profile": "auto", "n_utterances": 16}
        return write_run(name, **usual | changes)

    return write


def test_every_recipe_can_be_read_and_names_are_unique():
    everything = (*SYSTEMS, *PAPER_SYSTEMS)
    assert len({each.name for each in everything}) == len({each.title for each in everything}) == len(everything)
    assert len({each.recipe_hash() for each in everything}) == len(everything)
    assert all(each.load().epochs > 0 for each in everything)


def test_a_run_is_recognised_by_recipe_corpus_and_protocol(finished):
    for system in (BEST, LIGHT, *PAPER_SYSTEMS):
        assert identify(read_run(finished(system, system.name)).metrics) == (system, CONDITIONS[0])
    several = {"corpus": "nemo+ravdess+emodb", "protocol": "corpus", "by_fold": {"nemo": {"ua": 0.5}}}
    for system, profile, name in (
        (BEST, "auto", "corpora"),
        (BEST, "off", "corpora-off"),
        (LIGHT, "off", "corpora-off"),
    ):
        found = identify(read_run(finished(system, **several, profile=profile)).metrics)
        assert found[1].name == name
    with pytest.raises(ReportError, match="not a condition"):
        identify(read_run(finished(LIGHT, protocol="paper")).metrics)
    assert "emodb-paper" in [each.name for each in conditions_of(PAPER_SYSTEMS[0])]


def test_a_run_of_before_there_was_a_setting_is_of_the_same_recipe(finished):
    recipe = json.loads(json.dumps(LIGHT.load().to_dict()))
    del recipe["precision"], recipe["augmentations"]["p_codec"]
    assert recipe["lr"] != 1e-3
    assert identify(read_run(finished(LIGHT, recipe=recipe)).metrics)[0] == LIGHT
    with pytest.raises(ReportError, match="not one of a compared system today"):
        identify(read_run(finished(LIGHT, recipe=recipe | {"lr": 1e-3})).metrics)


def test_runs_below_a_folder_are_collected_and_others_are_named(finished, tmp_path):
    finished(LIGHT, "sweep/light")
    finished(LIGHT, "sweep/changed", recipe=json.loads(json.dumps(LIGHT.load().to_dict() | {"lr": 0.5})))
    (record,), notes = collect(tmp_path / "sweep")
    assert (record["system"], record["condition"], record["kind"]) == ("light_sernet", "emodb-loso", "light-sernet")
    assert record["training"] == {"n_folds": 3, "fold_s": 3.0, "sum_s": 12.0}
    assert record["pooled"]["ua_interval"] == [0.6, 0.9]
    assert record["pooled"]["ece"] == 0.05
    assert len(notes) == 1
    assert "changed" in notes[0]


def test_a_record_replaces_an_older_one_unless_that_has_more_seeds(finished, tmp_path):
    path, run = tmp_path / "records.jsonl", read_run(finished(LIGHT))
    record = make_record(LIGHT, CONDITIONS[0], run, None)
    other = {"system": "best", "condition": "speed", "speed": {"median": 5.0}}
    merge(path, [record, other])
    merge(path, [record | {"seeds": [0], "tool_version": "later"}])
    assert read(path) == [other, record]
    merge(path, [record | {"seeds": [0, 1, 2]}])
    assert read(path)[1]["seeds"] == [0, 1, 2]
    merge(path, [record | {"seeds": [0], "recipe": {"name": "light_sernet", "hash": "another"}}])
    assert read(path)[1]["seeds"] == [0]


def test_parameters_that_training_changes(tmp_path):
    (tmp_path / "small.toml").write_text("[network]\nmlcnn_channels = [4, 8]\nmlcnn_strides = [2, 2]\n")
    small = ComparedSystem("small", "small", str(tmp_path / "small.toml"))
    counts = count_parameters(small, small.load(), ("anger", "neutral"))
    assert counts["trained"] == counts["all"] > 0
    assert count_parameters(ComparedSystem("far", "far", "paper"), PAPER_SYSTEMS[1].load(), ("a", "b")) is None
