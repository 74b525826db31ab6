"""Reading back: with the reader, and with each library that users have, always the same values and types."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pcqtool.errors import TableError
from pcqtool.tables.paths import part_path
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.reader import read_files, read_segments, scan_files, scan_segments
from pcqtool.tables.writer import write

MakeTable = Callable[..., pa.Table]
Rows = list[dict[str, Any]]


@pytest.fixture
def results(tmp_path: Path, files_table: pa.Table, make_segments: MakeTable, provenance: Provenance) -> Path:
    write(tmp_path / "results.parquet", files_table, provenance)
    write(tmp_path / "results.segments.parquet", make_segments(40), provenance)
    return tmp_path / "results.parquet"


@pytest.fixture
def parts(tmp_path: Path, files_table: pa.Table, make_segments: MakeTable, provenance: Provenance) -> Path:
    folder = tmp_path / "odd=name [1] *"
    for index in range(2):
        write(part_path(folder, "files", index), files_table.slice(2 * index, 2 + index), provenance)
        write(part_path(folder, "segments", index), make_segments(30, prefix=str(index)), provenance)
    return folder


def by_pyarrow(path: Path) -> tuple[list[str], Rows]:
    table = pq.read_table(path)
    return table.schema.names, table.to_pylist()


def by_polars(path: Path) -> tuple[list[str], Rows]:
    frame = pl.read_parquet(path)
    return frame.columns, frame.to_dicts()


def by_pandas(path: Path) -> tuple[list[str], Rows]:
    frame = pd.read_parquet(path)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    times = [{k: v.to_pydatetime() if isinstance(v, pd.Timestamp) else v for k, v in row.items()} for row in rows]
    return list(frame.columns), [{str(k): v for k, v in row.items()} for row in times]


def by_duckdb(path: Path) -> tuple[list[str], Rows]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        table = connection.sql("select * from read_parquet(?)", params=[str(path)]).to_arrow_table()
        return table.schema.names, table.to_pylist()


@pytest.mark.parametrize("read", [by_pyarrow, by_polars, by_pandas, by_duckdb])
@pytest.mark.parametrize("name", ["results.parquet", "results.segments.parquet"])
def test_same_values_everywhere(
    results: Path,
    files_table: pa.Table,
    make_segments: MakeTable,
    read: Callable[[Path], tuple[list[str], Rows]],
    name: str,
) -> None:
    expected = files_table if name == "results.parquet" else make_segments(40)
    names, rows = read(results.with_name(name))
    assert names == expected.schema.names
    assert rows == expected.to_pylist()


def kind_of_arrow(kind: pa.DataType) -> str:
    return (
        "text"
        if pa.types.is_dictionary(kind)
        else {"string": "text", "double": "float64", "float": "float32"}.get(str(kind), str(kind))
    )


@pytest.mark.parametrize("name", ["results.parquet", "results.segments.parquet"])
def test_same_types_everywhere(results: Path, name: str) -> None:
    path = results.with_name(name)
    expected = {field.name: kind_of_arrow(field.type) for field in pq.read_schema(path)}
    expected = {
        column: "time" if kind.startswith("timestamp[us, tz=UTC") else kind for column, kind in expected.items()
    }
    assert set(expected.values()) <= {"text", "float64", "float32", "int32", "int64", "bool", "time"}

    polars = {
        **{pl.Categorical(): "text", pl.String(): "text", pl.Float64(): "float64", pl.Float32(): "float32"},
        **{pl.Int32(): "int32", pl.Int64(): "int64", pl.Boolean(): "bool", pl.Datetime("us", "UTC"): "time"},
    }
    assert {column: polars[kind] for column, kind in pl.read_parquet_schema(path).items()} == expected

    pandas = {
        "category": "text",
        "str": "text",
        "object": "text",
        "Int32": "int32",
        "Int64": "int64",
        "boolean": "bool",
    }
    pandas |= {"datetime64[us, UTC]": "time"}
    found = {column: str(kind) for column, kind in pd.read_parquet(path).dtypes.items()}
    assert {column: pandas.get(kind, kind) for column, kind in found.items()} == expected

    duck = {"VARCHAR": "text", "DOUBLE": "float64", "FLOAT": "float32", "INTEGER": "int32", "BIGINT": "int64"}
    duck |= {"BOOLEAN": "bool", "TIMESTAMP WITH TIME ZONE": "time"}
    described = duckdb.execute("describe select * from read_parquet(?)", [str(path)]).fetchall()
    assert {row[0]: duck[row[1]] for row in described} == expected


def test_whole_numbers_stay_whole_in_pandas_when_one_is_missing(results: Path) -> None:
    frame = pd.read_parquet(results)
    assert frame["sample_rate"].isna().sum() == 1
    assert {str(frame[column].dtype) for column in ("sample_rate", "size_bytes")} == {"Int32", "Int64"}
    assert list(pd.read_parquet(results, columns=["file", "size_bytes"]).columns) == ["file", "size_bytes"]


def test_time_keeps_microseconds_and_zone(results: Path) -> None:
    found = read_files(results)["mtime"][0]
    assert found == datetime.datetime(2024, 2, 29, 12, 30, 15, 123456, datetime.UTC)


def test_reader_on_one_table(results: Path, files_table: pa.Table, make_segments: MakeTable) -> None:
    assert read_files(results).to_dicts() == files_table.to_pylist()
    assert read_segments(results).to_dicts() == make_segments(40).to_pylist()


def test_reader_on_a_directory_of_parts(parts: Path, files_table: pa.Table, make_segments: MakeTable) -> None:
    assert read_files(parts).to_dicts() == files_table.to_pylist()
    rows = [*make_segments(30, prefix="0").to_pylist(), *make_segments(30, prefix="1").to_pylist()]
    assert read_segments(parts).to_dicts() == rows
    assert read_files(parts).columns == files_table.schema.names


def test_temporaries_among_parts_are_passed_over(parts: Path) -> None:
    expected = read_files(parts).height
    (parts / "files" / ".part-00002.parquet.0a1b2c3d.tmp").write_bytes(b"half")
    assert read_files(parts).height == expected


def test_lazy_queries(results: Path, parts: Path) -> None:
    frame = scan_files(results).filter(pl.col("label") == "anger").select("file", "prob_anger")
    assert isinstance(frame, pl.LazyFrame)
    assert frame.collect().to_dicts() == [{"file": "a/line\nbreak.wav", "prob_anger": pytest.approx(0.7)}]
    counts = scan_segments(parts).group_by("file").len().collect()
    assert counts["len"].to_list() == [3] * 20


def test_files_and_segments_join_by_name(results: Path, make_segments: MakeTable, provenance: Provenance) -> None:
    rows = make_segments(3).to_pylist()
    for row in rows:
        row["file"] = "d/größe-声-🙂.wav"
    table = pa.Table.from_pylist(rows, schema=make_segments(0).schema)
    write(results.with_name("results.segments.parquet"), table, provenance)
    joined = read_files(results).join(read_segments(results), on="file")
    assert joined.height == 3


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.parquet: no such file"):
        read_files(tmp_path / "none.parquet")
    with pytest.raises(TableError, match=r"no finished part in .*segments") as caught:
        read_segments(tmp_path)
    assert "--out" in caught.value.hint


def test_tables_are_told_apart(results: Path) -> None:
    with pytest.raises(TableError, match="not a table of files"):
        read_files(results.with_name("results.segments.parquet"))


def test_parts_of_two_runs_are_refused(parts: Path, files_table: pa.Table, provenance: Provenance) -> None:
    write(part_path(parts, "files", 2), files_table.slice(4), replace(provenance, fingerprint="beef"))
    with pytest.raises(TableError, match=r"part-00002\.parquet: made with other settings"):
        scan_files(parts)


def test_foreign_and_damaged_tables(results: Path) -> None:
    whole = results.read_bytes()
    results.write_bytes(whole[:-10])
    with pytest.raises(TableError, match="cannot be read"):
        read_files(results)
    pq.write_table(pa.table({"status": ["ok"]}), results)
    with pytest.raises(TableError, match="not written by pcqtool"):
        read_files(results)


def test_damaged_pages(results: Path) -> None:
    column = pq.read_metadata(results).row_group(0).column(2)
    content = bytearray(results.read_bytes())
    for position in range(column.data_page_offset, column.data_page_offset + column.total_compressed_size):
        content[position] ^= 0xFF
    results.write_bytes(bytes(content))
    with pytest.raises(TableError, match=r"results\.parquet: cannot be read"):
        read_files(results)
