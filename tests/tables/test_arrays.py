from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pcqtool.errors import TableError
from pcqtool.tables.arrays import read_features
from pcqtool.tables.feature_schema import feature_files_schema, feature_segments_schema
from pcqtool.tables.paths import part_path, table_path
from pcqtool.tables.writer import write

FRAMES = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)


def tables_of(numbers):
    """A file of one segment for each number; the second has no frames."""
    segments = [
        {"file": f"{n}.wav", "channel": "0", "segment": 0, "start_s": 0.0, "end_s": 3.0, "padded": False}
        | ({} if n == 1 else {"frames": FRAMES[n].ravel()})
        for n in numbers
    ]
    files = [
        {"file": f"{n}.wav", "channel": "0", "n_segments": 1, "status": "no_speech" if n == 1 else "ok"}
        | ({} if n == 1 else {"frames_mean": FRAMES[n].mean(axis=0), "frames_sd": FRAMES[n].std(axis=0)})
        for n in numbers
    ]
    return {
        "segments": pa.Table.from_pylist(segments, feature_segments_schema("frames", (4, 3))),
        "files": pa.Table.from_pylist(files, feature_files_schema("frames", 3)),
    }


@pytest.fixture(params=["f.parquet", "parts"])
def out(tmp_path, provenance, request):
    out = tmp_path / request.param
    for number, part in enumerate([[0, 1, 2, 3, 4]] if out.suffix else [[0, 1], [2, 3, 4]]):
        for kind, table in tables_of(part).items():
            write(table_path(out, kind) if out.suffix else part_path(out, kind, number), table, provenance)
    return out


def test_arrays_come_back_in_their_shape_with_what_they_are_about(out):
    frames, rows = read_features(out, "frames")
    np.testing.assert_array_equal(frames, FRAMES[[0, 2, 3, 4]])
    assert frames.dtype == np.float32
    assert frames.flags.writeable  # else torch warns
    assert rows["file"].to_list() == ["0.wav", "2.wav", "3.wav", "4.wav"]
    assert rows.columns == ["file", "channel", "segment", "start_s", "end_s", "speech", "padded"]
    mean, files = read_features(str(out), "frames_mean")
    np.testing.assert_array_equal(mean, FRAMES[[0, 2, 3, 4]].mean(axis=1))
    assert files["status"].to_list() == ["ok"] * 4


def test_what_is_not_there_is_told(out, tmp_path, provenance):
    with pytest.raises(TableError, match="no column 'fusion'") as told:
        read_features(out, "fusion")
    assert told.value.hint == "Columns of arrays: frames_mean, frames_sd, frames."
    with pytest.raises(TableError, match="does not contain arrays"):
        read_features(out, "start_s")
    (tmp_path / "nothing").mkdir()
    for path in (tmp_path / "nothing", tmp_path / "nowhere.parquet"):
        with pytest.raises(TableError):
            read_features(path, "frames")
    if out.is_dir():
        write(part_path(out, "segments", 0), tables_of([0])["segments"], replace(provenance, fingerprint="other"))
        with pytest.raises(TableError, match="made with other settings"):
            read_features(out, "frames")


def test_every_reader_has_the_same_values(tmp_path, provenance):
    path = tmp_path / "x.parquet"
    write(path, tables_of(range(5))["segments"], provenance)
    expected = [None if n == 1 else FRAMES[n].ravel().tolist() for n in range(5)]
    assert pq.read_table(path)["frames"].to_pylist() == expected
    assert pl.read_parquet(path)["frames"].to_list() == expected
    assert pl.read_parquet(path).schema["frames"] == pl.Array(pl.Float32, 12)
    found = [None if value is None else list(value) for value in pd.read_parquet(path)["frames"]]
    assert found == expected
    rows = duckdb.sql(f"select frames from '{path}' order by file").fetchall()  # noqa: S608
    assert [value for (value,) in rows] == expected
