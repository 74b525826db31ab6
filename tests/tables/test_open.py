"""Tables with names that libraries take for addresses, patterns or places of the user's."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from pcqtool.errors import TableError
from pcqtool.files.display import expand_home
from pcqtool.tables.open import open_source
from pcqtool.tables.provenance import Provenance, common_provenance, read_provenance
from pcqtool.tables.reader import read_files, read_segments
from pcqtool.tables.rewrite import TableSlice, drop_files, join, read_columns, read_schema
from pcqtool.tables.writer import write

NAMES = [
    "results-10:30.parquet",
    "job:17/r.parquet",
    "s3:/bucket/r.parquet",
    "hf:/r.parquet",
    "file:/r.parquet",
    "~/r.parquet",
    "~r.parquet",
    "*[a]?{b}.parquet",
    "%20%2f.parquet",
    "key=value/r.parquet",
    "#?x=1&y.parquet",
    "two\nlines.parquet",
    "-.parquet",
    os.fsdecode(b"latin-\xe9.parquet"),
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files_table: pa.Table, make_segments, provenance
) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path(name)
    segments = make_segments(40)
    write(out, files_table, provenance)
    write(out.with_name(f"{out.stem}.segments.parquet"), segments, provenance)
    assert read_provenance(out) == provenance
    assert common_provenance([out]) == provenance
    assert read_schema(out).names == files_table.schema.names
    assert read_columns(out, ["file"])["file"].to_pylist() == read_files(out)["file"].to_list()
    assert read_segments(out).height == segments.num_rows
    first = read_columns(out, ["file"])["file"][0].as_py()
    drop_files(out, [first], provenance)
    join([TableSlice(out)], out, read_schema(out), provenance)
    assert first not in read_files(out)["file"].to_list()
    assert read_files(out).height


def test_what_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TableError, match=r"job:17/r\.parquet: no such file"):
        read_provenance(Path("job:17/r.parquet"))
    with pytest.raises(FileNotFoundError):
        open_source(Path("file:/etc/passwd"))


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot be read"):
        read_columns(tmp_path)


def test_settings_may_hold_a_name_that_is_not_utf8(tmp_path: Path, files_table, provenance: Provenance) -> None:
    own = replace(provenance, settings={"root": "/data/\udce9", "other": "ä"})
    write(tmp_path / "r.parquet", files_table, own)
    assert read_provenance(tmp_path / "r.parquet") == own


@pytest.mark.parametrize(
    "version", ["[" * 100_000, '{"schema_version": Infinity}', '{"schema_version": 1e999}', "\xff"]
)
def test_damaged_provenance_is_said_to_be_so(version: str) -> None:
    with pytest.raises(TableError, match="damaged provenance"):
        Provenance.from_json(version.encode("latin-1"))


def test_home_is_expanded_as_a_shell_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/of/mine")
    assert expand_home("~") == expand_home(Path("~")) == Path("/home/of/mine")
    assert expand_home("~/a/~") == Path("/home/of/mine/a/~")
    assert expand_home("a/~/b") == Path("a/~/b")
    assert expand_home("~nobody-of-this-name/a") == Path("~nobody-of-this-name/a")
