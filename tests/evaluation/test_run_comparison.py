from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.errors import TableError
from pcqtool.evaluation.compare import compare
from pcqtool.evaluation.run_comparison import compare_predictions
from pcqtool.evaluation.run_conditions import RunConditions
from tests.json_schemas import check_json
from tests.toy_training import LABELS, spoken

CONDITIONS = RunConditions("toy", "loso", LABELS, "", False)


def compared(runs, baseline=None, conditions=CONDITIONS):
    return compare_predictions({name: (run, conditions) for name, run in runs.items()}, baseline)


def test_runs_are_sorted_and_compared_with_the_best(predictions):
    found = compared({name: predictions(spoken(n)) for name, n in (("mid", 1), ("worst", 3), ("best", 0))})
    assert [run.name for run in found.runs] == ["best", "mid", "worst"]
    assert (found.baseline, found.baseline_is_best) == ("best", True)
    assert (found.n_utterances, found.n_speakers) == (24, 4)
    best, mid, _ = found.runs
    assert best.from_baseline is None
    assert mid.from_baseline["wa"].difference == pytest.approx(-1 / 6)
    assert found.warnings == ()
    check_json(found.to_dict())


def test_a_run_that_leaks_is_never_the_baseline_by_itself(predictions):
    leaking = replace(CONDITIONS, protocol="paper", leakage="LEAKS.", leaks=True)
    runs = {"leaking": (predictions(spoken()), leaking), "honest": (predictions(spoken(1)), CONDITIONS)}
    found = compare_predictions(runs)
    assert [run.name for run in found.runs] == ["leaking", "honest"]
    assert found.baseline == "honest"
    assert found.warnings == ("leaking: LEAKS.", "the protocols differ: paper and loso")
    assert compare_predictions({"leaking": runs["leaking"]} | {"too": runs["leaking"]}).baseline == "leaking"


def test_differences_are_those_of_two_runs(predictions):
    one, other = predictions(spoken(1)), predictions(spoken(2))
    pair = compare(one, other)
    found = compared({"one": one, "other": other}, "other").runs[0].from_baseline
    for score in ("wa", "ua"):
        assert found[score].difference == pytest.approx(pair[score]["difference"])
        assert (found[score].interval, found[score].p) == (pair[score]["interval"], pair[score]["p"])
        assert found[score].p_holm == found[score].p  # a single comparison needs no correction


def test_only_shared_utterances_count(predictions):
    found = compared({"all": predictions(spoken(1)), "some": predictions(spoken(2, n_speakers=3))})
    assert (found.n_utterances, found.n_speakers) == (18, 3)
    assert [run.n_utterances for run in found.runs] == [24, 18]
    assert found.runs[0].wa.value == pytest.approx(5 / 6)


def test_runs_without_a_shared_utterance_are_refused(predictions):
    with pytest.raises(TableError, match="share no utterance"):
        compared({"a": predictions([("a", 0, "s", 0, 0.5)]), "b": predictions([("b", 0, "s", 0, 0.5)])})


@pytest.mark.parametrize(
    ("row", "what"), [(("a", 1, "s", 0, 0.5), "true classes"), (("a", 0, "t", 0, 0.5), "speakers")]
)
def test_runs_that_disagree_about_an_utterance_are_refused(predictions, row, what):
    with pytest.raises(TableError, match=f"one and two differ in the {what}"):
        compared({"one": predictions([("a", 0, "s", 0, 0.5)]), "two": predictions([row])})


def test_an_unfinished_run_is_refused(predictions):
    with pytest.raises(TableError, match="for some utterances than for others"):
        compared({"one": predictions(spoken()), "two": predictions([*spoken(), ("0-0", 0, "s0", 0, 0.5, 1)])})


def test_unknown_speakers_leave_only_the_difference(predictions):
    rows = [("a", 0, None, 0, 0.5), ("b", 1, "s", 0, 0.5)]
    found = compared({"one": predictions(rows), "two": predictions(rows)}).runs[1].from_baseline["ua"]
    assert (found.difference, found.interval, found.p, found.p_holm) == (0.0, None, None, None)


def test_labels_in_another_order_are_the_same_labels(predictions):
    one = predictions(spoken(1))
    turned = replace(
        one,
        labels=one.labels[::-1],
        truth=2 - one.truth,
        label=2 - one.label,
        probabilities=one.probabilities[:, ::-1],
        uncalibrated=one.uncalibrated[:, ::-1],
    )
    found = compared({"one": one, "turned": turned}).runs[1].from_baseline
    assert {each.difference for each in found.values()} == {0.0}
    assert {each.p for each in found.values()} == {1.0}


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 2), min_size=6, max_size=6), st.integers(1, 3))
def test_a_run_compared_with_itself_does_not_differ(predictions, labels, n_copies):
    rows = [(str(index), index % 3, f"s{index // 3}", label, 0.8) for index, label in enumerate(labels)]
    found = compared({"baseline": predictions(rows)} | {f"copy {n}": predictions(rows) for n in range(n_copies)})
    for run in found.runs[1:]:
        for each in run.from_baseline.values():
            assert (each.difference, each.interval, each.p, each.p_holm) == (0.0, (0.0, 0.0), 1.0, 1.0)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=5))
def test_corrected_values_are_not_below_the_raw_ones(predictions, wrong):
    found = compared({str(index): predictions(spoken(n)) for index, n in enumerate(wrong)})
    assert [run.ua.value for run in found.runs] == sorted((run.ua.value for run in found.runs), reverse=True)
    for run in found.runs[1:]:
        for each in run.from_baseline.values():
            assert each.p <= each.p_holm <= min(1.0, each.p * (len(wrong) - 1))
