from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa

from pcqtool.batch.summary import Summary, TableState
from pcqtool.tables.schema import files_schema


def test_rows_are_counted_and_files_once_each():
    summary = Summary(n_done_before=4)
    summary.add(
        [
            {"file": "a", "status": "ok", "label": "anger", "duration_s": 2.0, "error": None}
            | {"classified_s": 8.0, "share_anger": 0.75, "share_fear": 0.25},
            {"file": "a", "status": "no_speech", "duration_s": 2.0, "error": "no speech found"},
            {"file": "b", "status": "failed", "duration_s": None, "error": "broken"},
        ]
    )
    summary.add([{"file": "d", "status": "ok", "label": None, "method": "unsure", "error": None}])
    summary.add([{"file": "c", "status": "ok", "label": "anger", "duration_s": 1.5, "error": None}])
    assert json.loads(json.dumps(summary.to_dict())) == {
        "n_done_before": 4,
        "n_files": 4,
        "n_replaced": 0,
        "statuses": {"ok": 3, "no_speech": 1, "failed": 1},
        "labels": {"anger": 2},
        "label_time_s": {"anger": 6.0, "fear": 2.0},
        "n_unsure": 1,
        "failures": {"b": "broken"},
        "n_empty": 0,
        "stopped": False,
        "audio_s": 3.5,
        "elapsed_s": 0.0,
        "load_s": 0.0,
    }


def test_what_gave_nothing_is_counted():
    summary = Summary()
    summary.add(
        [{"file": f"{i}", "status": status, "error": "x"} for i, status in enumerate(["failed", "empty", "ok"])]
    )
    assert (summary.n_unusable, summary.n_empty, summary.failures) == (2, 1, {"0": "x"})


def test_the_state_of_a_table_of_many_parts():
    times = {"duration_s": 5.0, "speech_s": 2.0}
    rows = [
        {"file": "a", "channel": "0", "n_segments": 1, "status": "ok", "label": "anger"} | times,
        {"file": "a", "channel": "1", "n_segments": 1, "status": "ok", "label": "fear"}
        | times
        | {"classified_s": 4.0, "share_anger": 0.25, "share_fear": 0.75},
        {"file": "b", "n_segments": 0, "status": "failed", "error": "broken"},
        {"file": "c", "channel": "0", "n_segments": 1, "status": "ok", "label": "anger", "method": "mean"},
        {"file": "d", "channel": "0", "n_segments": 1, "status": "ok", "method": "unsure"},
    ]
    schema = files_schema(["anger", "fear"])
    table = pa.concat_tables([pa.Table.from_pylist(rows[:2], schema), pa.Table.from_pylist(rows[2:], schema)])
    state = TableState.of(table, pa.table({"label": ["fear", None, "fear", "anger"]}))
    counts = TableState(4, {"ok": 4, "failed": 1}, {"anger": 2, "fear": 1}, {"b": "broken"}, n_unsure=1)
    assert state == replace(
        counts,
        label_time_s={"fear": 3.0, "anger": 1.0},
        audio_s=5.0,
        speech_s=4.0,
        events={"fear": 2, "anger": 1},
    )
    assert list(state.label_time_s) == ["fear", "anger"]
    assert list(state.labels) == ["anger", "fear"]
    assert TableState.of(None).files == 0
