from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pcqtool.errors import FileError, TableError
from pcqtool.tables import writer
from pcqtool.tables.provenance import Provenance, read_provenance
from pcqtool.tables.schema import column_descriptions, segments_schema
from pcqtool.tables.writer import ROW_GROUP_ROWS, appending, write

MakeTable = Callable[..., pa.Table]

STREAM = """
import resource, sys
from pathlib import Path
import numpy as np
import pyarrow as pa
from pcqtool.errors import FileError
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.writer import appending

provenance = Provenance(model="m", model_sha256="0", labels=(), fingerprint="f", aggregation="mean-log")
schema = pa.schema([("file", pa.string()), ("data", pa.list_(pa.float32(), 2**18))])

def stream(path, n):
    with appending(Path(path), schema, provenance) as rows:
        for index in range(n):
            noise = pa.array(np.random.default_rng(index).random(2**18, np.float32))
            data = pa.FixedSizeListArray.from_arrays(noise, 2**18)
            rows.append(pa.table({"file": [f"{index:09d}"], "data": data}, schema=schema))
            print(index, flush=True)
"""


def encodings(path: Path) -> dict[str, set[str]]:
    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(index) for index in range(group.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}
    return {column.path_in_schema: set(column.encodings) for column in columns}


def group_sizes(path: Path) -> list[int]:
    metadata = pq.read_metadata(path)
    return [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]


def test_round_trip_with_sentences_and_types(tmp_path: Path, files_table: pa.Table, provenance: Provenance) -> None:
    path = tmp_path / "r.parquet"
    write(path, files_table, provenance)
    found = pq.read_table(path)
    assert found.schema.equals(files_table.schema)
    assert found.to_pylist() == files_table.to_pylist()
    assert column_descriptions(pq.read_schema(path)) == column_descriptions(files_table.schema)
    assert [file.name for file in tmp_path.iterdir()] == ["r.parquet"]


def test_encodings_are_really_in_the_file(tmp_path: Path, files_table: pa.Table, provenance: Provenance) -> None:
    write(tmp_path / "r.parquet", files_table, provenance)
    found = encodings(tmp_path / "r.parquet")
    for field in files_table.schema:
        if pa.types.is_floating(field.type):
            assert "BYTE_STREAM_SPLIT" in found[field.name]
            assert "RLE_DICTIONARY" not in found[field.name]
        elif pa.types.is_dictionary(field.type) or pa.types.is_string(field.type):
            assert "RLE_DICTIONARY" in found[field.name]
        else:
            assert found[field.name] == {"PLAIN", "RLE"}


def test_floats_in_lists_are_split_too(tmp_path: Path, provenance: Provenance) -> None:
    schema = pa.schema([("file", pa.string()), ("frames", pa.list_(pa.list_(pa.float32(), 2)))])
    table = pa.table({"file": ["a"], "frames": [[[1.0, 2.0], [3.0, 4.0]]]}, schema=schema)
    write(tmp_path / "x.parquet", table, provenance)
    assert "BYTE_STREAM_SPLIT" in encodings(tmp_path / "x.parquet")["frames.list.element.list.element"]
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == table.to_pylist()


def test_many_long_names_stay_a_dictionary(tmp_path: Path, provenance: Provenance) -> None:
    names = pa.array([f"{index:090d}.wav" for index in range(40_000)])
    schema = pa.schema([("file", pa.string())])
    write(tmp_path / "x.parquet", pa.table({"file": names}).cast(schema), provenance)
    column = pq.read_metadata(tmp_path / "x.parquet").row_group(0).column(0)
    assert list(column.encodings).count("PLAIN") == 1  # a second one would be values that fell out of the dictionary


def test_rows_are_sorted(tmp_path: Path, make_segments: MakeTable, provenance: Provenance) -> None:
    table = make_segments(60)
    backwards = table.take(list(reversed(range(60))))
    write(tmp_path / "x.parquet", backwards, provenance)
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == table.to_pylist()


def test_row_groups_are_of_one_size(tmp_path: Path, make_segments: MakeTable, provenance: Provenance) -> None:
    write(tmp_path / "x.parquet", make_segments(2 * ROW_GROUP_ROWS + 10), provenance)
    assert group_sizes(tmp_path / "x.parquet") == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 10]


def test_small_pieces_are_gathered(
    tmp_path: Path, make_segments: MakeTable, provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", 100)
    pieces = [make_segments(9, prefix=f"{index:02d}") for index in range(30)]
    with appending(tmp_path / "x.parquet", pieces[0].schema, provenance) as rows:
        for piece in pieces:
            rows.append(piece)
    assert group_sizes(tmp_path / "x.parquet") == [100, 100, 70]
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == pa.concat_tables(pieces).to_pylist()
    assert "RLE_DICTIONARY" in encodings(tmp_path / "x.parquet")["file"]


def test_heavy_rows_are_not_hoarded(tmp_path: Path, provenance: Provenance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "ROW_GROUP_BYTES", 80_000)
    schema = pa.schema([("file", pa.string()), ("data", pa.list_(pa.float32(), 10_000))])
    with appending(tmp_path / "x.parquet", schema, provenance) as rows:
        for index in range(5):
            rows.append(pa.table({"file": [str(index)], "data": [[0.5] * 10_000]}, schema=schema))
    assert group_sizes(tmp_path / "x.parquet") == [1] * 5


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(0, 300)), n_group=st.sampled_from([7, 100, 1000]))
def test_the_same_rows_make_the_same_bytes_in_whatever_pieces_they_come(
    tmp_path: Path, make_segments: MakeTable, provenance: Provenance, cuts: set[int], n_group: int
) -> None:
    table = make_segments(300)
    ends = sorted(cuts | {0, 300})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "ROW_GROUP_ROWS", n_group)
        write(tmp_path / "whole.parquet", table, provenance)
        with appending(tmp_path / "pieces.parquet", table.schema, provenance) as rows:
            for start, end in pairwise(ends):
                rows.append(table.slice(start, end - start))
    assert (tmp_path / "pieces.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_no_rows_make_an_empty_table(tmp_path: Path, make_segments: MakeTable, provenance: Provenance) -> None:
    write(tmp_path / "x.parquet", make_segments(0), provenance)
    found = pq.read_table(tmp_path / "x.parquet")
    assert (found.num_rows, found.schema) == (0, make_segments(0).schema)
    assert read_provenance(tmp_path / "x.parquet") == provenance


def test_plain_strings_become_dictionaries(tmp_path: Path, make_segments: MakeTable, provenance: Provenance) -> None:
    table = make_segments(12)
    rows_only = pa.Table.from_pylist(table.to_pylist())
    with appending(tmp_path / "x.parquet", table.schema, provenance) as rows:
        rows.append(rows_only)
    assert pq.read_table(tmp_path / "x.parquet").equals(table)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["padded"]), "expected"),
        (lambda t: t.append_column("extra", t["label"]), "expected"),
        (lambda t: t.select(list(reversed(t.schema.names))), "expected"),
        (lambda t: t.set_column(2, "segment", pa.array([0.5] * t.num_rows)), "do not fit"),
        (lambda t: t.set_column(3, "start_s", pa.array([None] * t.num_rows, pa.float64())), "non-nullable"),
        (lambda t: t.slice(3).append_column("x", t["label"].slice(3)).drop_columns("x").take([1, 0]), "comes after"),
        (lambda t: t.take([0, 0]), "occurs twice"),
    ],
    ids=["missing", "extra", "order of columns", "fraction", "null", "order of rows", "repeated"],
)
def test_rows_that_do_not_fit(
    tmp_path: Path,
    make_segments: MakeTable,
    provenance: Provenance,
    change: Callable[[pa.Table], pa.Table],
    message: str,
) -> None:
    table = make_segments(12)
    with (
        pytest.raises(TableError, match=message),
        appending(tmp_path / "x.parquet", table.schema, provenance) as rows,
    ):
        rows.append(change(table))
    assert list(tmp_path.iterdir()) == []


def test_order_is_checked_from_piece_to_piece(tmp_path: Path, make_segments: MakeTable, provenance: Provenance) -> None:
    first, second = make_segments(3, "b"), make_segments(3, "a")

    def write_pieces() -> None:
        with appending(tmp_path / "x.parquet", first.schema, provenance) as rows:
            for piece, source in ((first, "first"), (first.slice(0, 0), "none"), (second, "second")):
                rows.append(piece, source=Path(source))

    with pytest.raises(TableError, match=r"second: file 'a-0000000.wav'.* comes after file 'b-0000000.wav'"):
        write_pieces()
    assert list(tmp_path.iterdir()) == []


def test_repeated_input_is_refused(tmp_path: Path, files_table: pa.Table, provenance: Provenance) -> None:
    with pytest.raises(TableError, match="occurs twice"):
        write(tmp_path / "x.parquet", pa.concat_tables([files_table, files_table]), provenance)


def test_labels_of_table_and_provenance_agree(tmp_path: Path, make_segments: MakeTable, provenance: Provenance) -> None:
    with pytest.raises(TableError, match="for the labels fear"):
        write(tmp_path / "x.parquet", make_segments(3), replace(provenance, labels=("fear",)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_failure_in_the_middle_leaves_nothing(
    tmp_path: Path,
    make_segments: MakeTable,
    provenance: Provenance,
    monkeypatch: pytest.MonkeyPatch,
    fault: type[BaseException],
) -> None:
    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", 10)

    def fail() -> None:
        with appending(tmp_path / "x.parquet", segments_schema(provenance.labels), provenance) as rows:
            rows.append(make_segments(50))
            assert len(list(tmp_path.iterdir())) == 1
            raise fault

    with pytest.raises(fault):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_failure_keeps_the_older_table(tmp_path: Path, make_segments: MakeTable, provenance: Provenance) -> None:
    path = tmp_path / "x.parquet"
    write(path, make_segments(6), provenance)
    before = path.read_bytes()
    with pytest.raises(TableError, match="twice"):
        write(path, make_segments(3).take([0, 1, 1]), provenance)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_killed_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    code = STREAM + f"stream({str(path)!r}, 10**6)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:  # 32 MB make a row group, so something is in the file by now
            if int(line) >= 70:
                break
        process.kill()
    assert process.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert re.fullmatch(r"\.x\.parquet\.[0-9a-f]{8}\.tmp", left.name)
    assert left.stat().st_size > 0
    with pytest.raises(TableError):
        read_provenance(left)


def test_file_size_limit(tmp_path: Path) -> None:
    """A real refusal by the system in the middle of a row group; Python ignores SIGXFSZ, so it comes as an error."""
    code = STREAM + (
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10 << 20, 10 << 20))\n"
        f"try:\n    stream({str(tmp_path / 'x.parquet')!r}, 80)\n"
        "except FileError as fault:\n    print(fault.what, fault.hint, sep='|')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert re.search(r"x\.parquet: cannot be written \(File too large\)\|.*ulimit", done.stdout)
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(small_disk: Path, make_segments: MakeTable, provenance: Provenance) -> None:
    path = small_disk / "x.parquet"
    write(path, make_segments(60), provenance)
    before = path.read_bytes()
    big = pa.table({"file": ["a"], "data": [np.random.default_rng(0).bytes(1 << 20)]})
    with pytest.raises(FileError, match=r"x\.parquet: cannot be written \(No space left on device\)") as caught:
        write(path, big, provenance)
    assert "Free some space" in caught.value.hint
    assert path.read_bytes() == before
    assert list(small_disk.iterdir()) == [path]


def test_read_only_disk(small_disk: Path, make_segments: MakeTable, provenance: Provenance) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(FileError, match="Read-only file system") as caught:
        write(small_disk / "x.parquet", make_segments(6), provenance)
    assert "--out" in caught.value.hint
