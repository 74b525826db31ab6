from __future__ import annotations

import pyarrow.parquet as pq
import pytest

import pcqtool
from pcqtool.errors import TableError
from pcqtool.report.page.tables import page_tables


def test_segments_and_events_know_their_row(make_results):
    tables = page_tables(pcqtool.read_results(make_results(["b.wav", "a.wav"], ("0", "1"))))
    assert tables.names == ("a.wav", "b.wav")
    assert tables.files.select("recording", "file", "channel").rows() == [
        (0, "a.wav", "0"),
        (0, "a.wav", "1"),
        (1, "b.wav", "0"),
        (1, "b.wav", "1"),
    ]
    assert tables.counts("segments").tolist() == [10] * 4
    assert tables.counts("events").tolist() == [3] * 4  # stretches without a label are left out
    assert tables.segments["row"].is_sorted()
    assert tables.segments.filter(row=2)["start_s"].to_list() == [3.0 * n for n in range(10)]


def test_the_strongest_events_have_the_highest_peaks(make_results):
    tables = page_tables(pcqtool.read_results(make_results([f"{n}.wav" for n in range(20)])))
    for label, found in zip(tables.labels, tables.strongest(5), strict=True):
        peaks = tables.events.filter(label=label)["peak"].sort(descending=True)
        assert [tables.events["peak"][number] for number in found] == peaks.head(5).to_list()
        assert {tables.events["label"][number] for number in found} <= {label}


def test_a_recording_without_segments_has_a_row(make_results, set_file_row):
    path = make_results(["a.wav", "b.wav"])
    set_file_row(path, "a.wav", file="c.wav", status="failed", channel=None, label=None)
    tables = page_tables(pcqtool.read_results(path))
    assert tables.names == ("b.wav", "c.wav")
    assert tables.counts("segments").tolist() == [10, 0]


def test_tables_of_an_older_version_are_refused(make_results):
    path = make_results(["a.wav"])
    pq.write_table(pq.read_table(path).drop_columns(["share_anger"]), path)
    with pytest.raises(TableError, match="no column share_anger"):
        page_tables(pcqtool.read_results(path))
