from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.aggregation import AGGREGATIONS, aggregate
from pcqtool.audio.segment import SegmentSpan
from pcqtool.labelling.task import SCHEMAS, LabelAggregator


def spans(*durations_s):
    """Segments that follow each other."""
    lengths = [round(16000 * each) for each in durations_s]
    return [SegmentSpan(sum(lengths[:number]), n, n) for number, n in enumerate(lengths)]


LABELS = ("anger", "neutral", "sadness")
LOGS = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]))


@pytest.mark.parametrize("rule", ["mean-log", "duration"])
def test_a_track_is_judged_by_its_segments_and_their_lengths(rule):
    judgement = LabelAggregator(LABELS, rule)
    rows = [judgement.add(log_probs, span) for log_probs, span in zip(LOGS, spans(3.0, 1.0), strict=True)]
    assert [(row["label"], round(row["confidence"], 6)) for row in rows] == [("anger", 0.7), ("neutral", 0.8)]
    assert rows[1].keys() <= set(SCHEMAS["segments"](LABELS).names)
    result = judgement.result()
    expected = aggregate(LOGS, np.array([3.0, 1.0]), rule)
    assert [result[f"prob_{label}"] for label in LABELS] == expected.tolist()
    assert (result["label"], result["method"]) == (LABELS[expected.argmax()], rule)
    assert result.keys() <= set(SCHEMAS["files"](LABELS).names)


@given(
    seed=st.integers(0, 10_000),
    n_segments=st.integers(1, 4),
    p=st.none() | st.floats(0.0, 1.0),
    rule=st.sampled_from(AGGREGATIONS),
)
def test_a_minimum_of_confidence_changes_label_and_method_alone(seed, n_segments, p, rule):
    logits = np.random.default_rng(seed).normal(scale=2.0, size=(n_segments, 3))
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    usual, strict = LabelAggregator(LABELS, rule), LabelAggregator(LABELS, rule, p)
    given = zip(log_probs, spans(*[3.0] * n_segments), strict=True)
    pairs = [(usual.add(*each), strict.add(*each)) for each in given]
    pairs.append((usual.result(), strict.result()))
    for expected, found in pairs:
        is_sure = p is None or np.float32(expected["confidence"]) >= np.float32(p)
        assert found["label"] == (expected["label"] if is_sure else None)
        assert {**found, "label": 0, "method": 0} == {**expected, "label": 0, "method": 0}
    assert pairs[-1][1]["method"] == (rule if pairs[-1][1]["label"] else "unsure")


def test_a_confidence_equal_to_the_minimum_is_enough():
    stored = np.float32(0.7)  # below 0.7 as a double
    for sure in (0.7, float(stored)):
        log_probs = np.log([sure, 0.2, 0.8 - sure])
        assert LabelAggregator(LABELS, "mean", 0.7).add(log_probs, *spans(3.0))["label"] == "anger"
