from __future__ import annotations

import numpy as np
import pytest

from pcqtool.aggregation import aggregate
from pcqtool.labelling.task import SCHEMAS, LabelAggregator

LABELS = ("anger", "neutral", "sadness")
LOGS = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]))


@pytest.mark.parametrize("rule", ["mean-log", "duration"])
def test_a_track_is_judged_by_its_segments_and_their_lengths(rule):
    judgement = LabelAggregator(LABELS, rule)
    rows = [judgement.add(log_probs, n) for log_probs, n in zip(LOGS, (48000, 16000), strict=True)]
    assert [(row["label"], round(row["confidence"], 6)) for row in rows] == [("anger", 0.7), ("neutral", 0.8)]
    assert rows[1].keys() <= set(SCHEMAS["segments"](LABELS).names)
    result = judgement.result()
    expected = aggregate(LOGS, np.array([3.0, 1.0]), rule)
    assert [result[f"prob_{label}"] for label in LABELS] == expected.tolist()
    assert (result["label"], result["method"]) == (LABELS[expected.argmax()], rule)
    assert result.keys() <= set(SCHEMAS["files"](LABELS).names)
