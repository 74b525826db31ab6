from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pcqtool.errors import TableError
from pcqtool.tables import rewrite, writer
from pcqtool.tables.provenance import read_provenance
from pcqtool.tables.rewrite import TableSlice, drop_files, join, read_columns, read_schema
from pcqtool.tables.schema import files_schema, segments_schema
from pcqtool.tables.writer import write

QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Names sort by code point, also beyond the first 65,536, where UTF-16 would sort otherwise.
NAMES = st.text(st.sampled_from("ab/é\uff5e\U0001f642"), min_size=1, max_size=4)


def segments_of(files, labels):
    rows = [
        {"file": file, "channel": "0", "segment": i, "start_s": 3.0 * i, "end_s": 3.0 * i + 3, "padded": False}
        | ({"label": labels[i % 3]} if i % 2 else {})
        for file, n in files.items()
        for i in range(n)
    ]
    return pa.Table.from_pylist(rows, segments_schema(labels))


def pieces_of(tmp_path, parts, provenance, without=()):
    pieces = []
    for number, files in enumerate(parts):
        path = tmp_path / f"{number}.parquet"
        write(path, segments_of(files, provenance.labels), provenance)
        pieces.append(TableSlice(path, min(files, default=""), frozenset(without)))
    return pieces


@QUICK
@given(st.dictionaries(NAMES, st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=12), st.integers(1, 5))
def test_joined_tables_are_the_table_of_all_rows(tmp_path, provenance, files, group_rows):
    """Whatever part a file is in, and however small the row groups are."""
    parts = [{name: n for name, (n, part) in files.items() if part == number} for number in range(5)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "ROW_GROUP_ROWS", group_rows)
        pieces = pieces_of(tmp_path, parts, provenance)
        join(pieces[::-1], tmp_path / "all.parquet", segments_schema(provenance.labels), provenance)
    whole = segments_of({name: n for name, (n, _) in sorted(files.items())}, provenance.labels)
    assert read_columns(tmp_path / "all.parquet").to_pylist() == whole.to_pylist()
    assert read_provenance(tmp_path / "all.parquet") == provenance


@QUICK
@given(st.sets(NAMES, max_size=5))
def test_what_a_piece_leaves_out_can_come_from_another(tmp_path, provenance, again):
    old = {"a": 2, "b": 3, "é": 0, "\U0001f642": 1} | dict.fromkeys(again, 4)
    new = dict.fromkeys(again, 1)
    first, second = pieces_of(tmp_path, [old, new], provenance)
    pieces = [TableSlice(first.path, first.first, frozenset(again)), second]
    join(pieces, first.path, segments_schema(provenance.labels), provenance)  # in the place of a piece
    assert (
        read_columns(first.path).to_pylist()
        == segments_of(dict(sorted((old | new).items())), provenance.labels).to_pylist()
    )


def test_a_file_in_two_pieces_is_refused_and_the_output_left_alone(tmp_path, provenance):
    pieces = pieces_of(tmp_path, [{"a": 1, "c": 2}, {"b": 1, "c": 2}], provenance)
    out = tmp_path / "out.parquet"
    out.write_text("before")
    with pytest.raises(TableError, match="occurs twice"):
        join(pieces, out, segments_schema(provenance.labels), provenance)
    assert out.read_text() == "before"


def test_nothing_to_join_is_an_empty_table(tmp_path, provenance):
    join([], tmp_path / "none.parquet", files_schema(provenance.labels), provenance)
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0
    assert read_schema(tmp_path / "none.parquet").equals(files_schema(provenance.labels), check_metadata=True)


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_piece_that_cannot_be_read_is_named(tmp_path, provenance, fault):
    (piece,) = pieces_of(tmp_path, [{"a": 200}], provenance)
    if fault == "missing":
        piece.path.unlink()
    else:
        content = bytearray(piece.path.read_bytes())
        content[200:240] = bytes(40)
        piece.path.write_bytes(content)
    with pytest.raises(TableError, match=r"0\.parquet: cannot be read"):
        join([piece], tmp_path / "out.parquet", segments_schema(provenance.labels), provenance)
    with pytest.raises(TableError, match=r"0\.parquet: cannot be read"):
        read_columns(piece.path)
    assert not (tmp_path / "out.parquet").exists()


def test_interleaved_tables_are_joined_a_row_group_at_a_time(tmp_path, provenance, monkeypatch):
    """Rows of all pieces alternate, yet never more than a few row groups of each are in memory."""
    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", 100)
    pieces = pieces_of(tmp_path, [{f"{i:04d}": 5 for i in range(n, 1000, 4)} for n in range(4)], provenance)
    most = 0
    concat = pa.concat_tables

    def counting(tables, *arguments):
        nonlocal most
        table = concat(tables, *arguments)
        most = max(most, table.num_rows)
        return table

    monkeypatch.setattr(rewrite.pa, "concat_tables", counting)
    join(pieces, tmp_path / "all.parquet", segments_schema(provenance.labels), provenance)
    assert pq.read_metadata(tmp_path / "all.parquet").num_rows == 5000
    assert most <= 4 * 200


def test_files_are_dropped_and_the_rest_stays_as_it_is(tmp_path, provenance, files_table):
    path = tmp_path / "files.parquet"
    write(path, files_table, provenance)
    gone = "a/line\nbreak.wav"
    drop_files(path, {gone, "never there"}, provenance)
    assert read_columns(path).to_pylist() == [row for row in files_table.to_pylist() if row["file"] != gone]
    drop_files(path, set(files_table["file"].to_pylist()), provenance)
    assert read_columns(path).num_rows == 0


def test_some_columns_alone(tmp_path, provenance, files_table):
    write(tmp_path / "files.parquet", files_table, provenance)
    table = read_columns(tmp_path / "files.parquet", ["file", "status"])
    assert table.column_names == ["file", "status"]
    assert table["file"].to_pylist() == files_table["file"].to_pylist()
