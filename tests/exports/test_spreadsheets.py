"""CSV files and workbooks have the values of the tables."""

from __future__ import annotations

import csv
from datetime import datetime

import openpyxl
import polars as pl
import polars.selectors as cs
import pytest

import pcqtool
from pcqtool.exports import spreadsheets
from pcqtool.tables.schema import files_schema
from pcqtool.tables.writer import write
from tests.exports.examples import LABELS

KINDS = ("files", "segments", "events")


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(cs.categorical().cast(pl.String))


def test_csv_has_a_file_for_each_table(results, tmp_path):
    exported = pcqtool.export(results, "csv", tmp_path / "sub" / "x.csv")
    assert [path.name for path in exported.paths] == ["x.csv", "x.segments.csv", "x.events.csv"]
    assert (exported.n_recordings, exported.n_unreadable) == (10, 2)
    for kind, path in zip(KINDS, exported.paths, strict=True):
        frame = plain(getattr(results, kind))
        texts = frame.with_columns(cs.datetime().cast(pl.String))
        found = pl.read_csv(path, schema=texts.schema, has_header=False, skip_rows=1)
        assert found.equals(texts)
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == frame.columns
        assert [row["file"] for row in rows] == frame["file"].to_list()
        assert [row["label"] or None for row in rows] == frame["label"].to_list()


def test_csv_in_a_folder_has_the_name_of_the_table(results, tmp_path):
    exported = pcqtool.export(results.path, "csv", tmp_path / "csv")
    assert [path.relative_to(tmp_path).as_posix() for path in exported.paths] == [
        "csv/r.csv",
        "csv/r.segments.csv",
        "csv/r.events.csv",
    ]


def test_times_and_nan_in_csv_and_excel(make_results, tmp_path):
    results = make_results()
    one = results.files.filter(pl.col("file") == "a.wav").to_arrow().cast(files_schema(LABELS))
    when = datetime.fromisoformat("2026-01-31T18:30:15.250+00:00")
    table = pl.from_arrow(one).with_columns(mtime=pl.lit(when), longest_s=pl.lit(float("nan")))
    write(results.path, table.to_arrow().cast(files_schema(LABELS)), results.provenance)
    results = pcqtool.read_results(results.path)
    (files, *_) = pcqtool.export(results, "csv", tmp_path / "x.csv").paths
    with files.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert datetime.fromisoformat(row["mtime"]) == when
    book = openpyxl.load_workbook(pcqtool.export(results, "xlsx", tmp_path / "x.xlsx").paths[0])
    header, cells = ([cell.value for cell in row] for row in book["files"].rows)
    row = dict(zip(header, cells, strict=True))
    assert abs((row["mtime"] - when.replace(tzinfo=None)).total_seconds()) < 0.01
    assert row["longest_s"] is None


def test_a_workbook_has_a_sheet_for_each_table(results, tmp_path):
    (path,) = pcqtool.export(results, "xlsx", tmp_path / "x.xlsx").paths
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == list(KINDS)
    for kind in KINDS:
        frame, sheet = plain(getattr(results, kind)), book[kind]
        header, *rows = ([cell.value for cell in row] for row in sheet.rows)
        assert header == frame.columns
        assert rows == [list(row) for row in frame.rows()]
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref.startswith("A1:")
        assert sheet.auto_filter.ref.endswith(str(max(2, len(rows) + 1)))


def test_what_looks_like_a_formula_is_text(make_results, tmp_path):
    names = ["=cmd()|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "https://example.org/x.wav", "0123", "{=1}"]
    results = make_results({name: (1.0, {("0", None): ([(0.0, 1.0, None)], [])}) for name in names})
    (path,) = pcqtool.export(results, "xlsx", tmp_path / "x.xlsx").paths
    cells = [row[0] for row in openpyxl.load_workbook(path)["files"].iter_rows(min_row=2)]
    assert sorted(cell.value for cell in cells) == sorted(names)
    assert {cell.data_type for cell in cells} == {"s"}
    assert not any(cell.hyperlink for cell in cells)


def test_more_rows_than_a_sheet_has_are_refused(results, tmp_path, monkeypatch):
    monkeypatch.setattr(spreadsheets, "MOST_ROWS", 12)
    with pytest.raises(pcqtool.TableError, match=r"table of segments has 17 rows.*at most 12\nExport to csv"):
        pcqtool.export(results, "xlsx", tmp_path / "x.xlsx")
    assert not (tmp_path / "x.xlsx").exists()


def test_results_without_events_have_two_tables(make_results, tmp_path):
    results = make_results(without="events")
    exported = pcqtool.export(results, "csv", tmp_path / "x.csv")
    assert [path.name for path in exported.paths] == ["x.csv", "x.segments.csv"]
    (book,) = pcqtool.export(results, "xlsx", tmp_path / "x.xlsx").paths
    assert openpyxl.load_workbook(book).sheetnames == ["files", "segments"]
