from __future__ import annotations

from pathlib import Path

import pytest

from pcqtool.evaluation.run_conditions import RunConditions, differences, run_names

LABELS = ("anger", "neutral")
BATCH = "Nothing was trained. Inputs were standardised by the unlabelled test recordings."


def conditions(protocol="loso", corpus="emodb", labels=LABELS, leakage="", leaks=False):
    return RunConditions(corpus, protocol, labels, leakage, leaks)


def test_the_name_of_a_model_is_no_difference():
    runs = [conditions(f"model {name}, nothing trained") for name in ("one", "two")]
    assert differences(runs) == []
    assert [run.short_protocol for run in runs] == ["model one", "model two"]


@pytest.mark.parametrize("protocol", ["corpus", "cross-corpus"])
def test_a_recipe_that_never_had_the_corpus_is_like_a_model_that_never_had_it(protocol):
    assert differences([conditions(protocol), conditions("model one, nothing trained")]) == []


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (conditions("random10"), "the protocols differ: loso and random10"),
        (conditions("model one, nothing trained"), "the protocols differ: loso and model one, nothing trained"),
        (conditions(corpus="nemo"), "the corpora differ: emodb and nemo"),
        (conditions(labels=("anger", "fear")), "the labels to choose from differ: anger, neutral and anger, fear"),
        (
            conditions(leakage=BATCH),
            "inputs were standardised differently: by the training data and the unlabelled test recordings",
        ),
    ],
)
def test_real_differences_are_named(other, text):
    assert differences([conditions(), other, conditions()]) == [text]


def test_orders_of_corpora_and_labels_are_no_difference():
    assert differences([conditions(corpus="a+b"), conditions(corpus="b+a", labels=LABELS[::-1])]) == []


def test_marks_state_leaks_and_what_was_used_of_the_test():
    assert conditions().marks == ()
    assert conditions(leakage="Inputs were standardised by the training data.").marks == ()
    assert conditions(leakage=BATCH, leaks=True).marks == (
        "LEAKS",
        "standardised by the unlabelled test recordings",
    )


def test_names_are_short_as_long_as_they_tell_runs_apart():
    assert run_names([Path("runs/a"), Path("runs/b/predictions.parquet")]) == ["a", "b"]
    assert run_names([Path("one/a"), Path("two/a")]) == ["one/a", "two/a"]
