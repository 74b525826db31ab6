from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from pcqtool.batch.job import RunReport
from pcqtool.batch.prometheus import HELP, metrics_text
from pcqtool.batch.summary import Summary, TableState
from tests.prometheus_text import parse


def report(**counts):
    summary = Summary(n_files=3, statuses=Counter(ok=3, failed=1), failures={"a": "b"}, **counts)
    state = TableState(9, {"ok": 8, "failed": 1}, {}, {"a": "b"}, label_time_s={"fear": 3.0})
    return RunReport(Path("r.parquet"), "tiny", summary, state, {"a": "b"})


def test_every_metric_is_read_back():
    whole = report(label_time_s=Counter(anger=1.25), audio_s=12.3456, load_s=0.5, n_done_before=6)
    found = parse(metrics_text(Path("/data/r.parquet"), 3, 20.0, 1.8e9, whole))
    assert list(found) == list(HELP)
    table = ("table", "/data/r.parquet")
    assert {name: samples[table,] for name, samples in found.items() if (table,) in samples} == {
        "pcqtool_exit_code": 3,
        "pcqtool_last_run_timestamp_seconds": 1.8e9,
        "pcqtool_run_seconds": 20,
        "pcqtool_load_seconds": 0.5,
        "pcqtool_files": 3,
        "pcqtool_files_done_before": 6,
        "pcqtool_failed_files": 1,
        "pcqtool_audio_seconds": 12.346,
        "pcqtool_table_files": 9,
        "pcqtool_table_failed_files": 1,
    }
    rows = {labels[1][1]: value for labels, value in found["pcqtool_rows"].items()}
    assert rows == {"ok": 3, "no_speech": 0, "empty": 0, "truncated": 0, "failed": 1}
    # A label of the table that this run has not found is 0, so that its series does not end.
    assert found["pcqtool_label_seconds"] == {(table, ("label", "anger")): 1.25, (table, ("label", "fear")): 0}


def test_a_run_without_a_report_has_its_exit_code_and_times_only():
    assert list(parse(metrics_text(Path("r.parquet"), 1, 0.1, 1.8e9, None))) == list(HELP)[:3]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ('a"b.parquet', 'a"b.parquet'),
        ("a\\b\\nc\n.parquet", "a\\b\\nc\n.parquet"),
        ("ä,}{= 1\t.parquet", "ä,}{= 1\t.parquet"),
        (os.fsdecode(b"\xff.parquet"), "\\xff.parquet"),
    ],
)
def test_any_name_is_escaped(name, shown):
    text = metrics_text(Path("/", name), 0, 1.0, 1.8e9, report()).encode().decode()
    assert {labels[0] for samples in parse(text).values() for labels in samples} == {("table", f"/{shown}")}
