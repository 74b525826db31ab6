from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.errors import TableError
from pcqtool.tables.order import check_order, first_violation, in_order, keys_of

names = st.text(st.characters(codec="utf-8"), max_size=3)
rows = st.lists(st.tuples(names, st.floats(0, 9), st.sampled_from([None, "0", "1", "mix"])), max_size=12)


def table_of(keys: list[tuple[str, float, str | None]]) -> pa.Table:
    files, starts, channels = zip(*keys, strict=True) if keys else ((), (), ())
    return pa.table(
        {
            "channel": pa.array(channels, pa.string()).dictionary_encode(),
            "file": pa.array(files, pa.string()).dictionary_encode(),
            "start_s": pa.array(starts, pa.float64()),
            "row": pa.array(range(len(keys)), pa.int64()),
        }
    )


def plain(keys: list[tuple[str, float, str | None]]) -> list[tuple[str, float, str]]:
    return [(file, start, channel or "") for file, start, channel in keys]


@given(rows)
def test_sorted_as_python_sorts(keys: list[tuple[str, float, str | None]]) -> None:
    found = in_order(table_of(keys))["row"].to_pylist()
    wanted = plain(keys)
    assert [wanted[row] for row in found] == sorted(wanted)
    assert sorted(found) == list(range(len(keys)))


@given(rows)
def test_first_violation_is_where_python_finds_it(keys: list[tuple[str, float, str | None]]) -> None:
    wanted = plain(keys)
    expected = next((i for i in range(1, len(wanted)) if not wanted[i - 1] < wanted[i]), None)
    assert first_violation(keys_of(table_of(keys))) == expected


def test_sorted_table_is_not_copied() -> None:
    table = table_of([("a", 0.0, "0"), ("a", 0.0, "1"), ("b", 0.0, None)])
    assert in_order(table) is table


def test_tables_without_such_columns_have_no_order() -> None:
    table = pa.table({"x": [2, 1, 1]})
    assert in_order(table) is table
    check_order(keys_of(table), "x")


def test_errors_name_source_and_rows() -> None:
    with pytest.raises(TableError, match=r"part-7: file 'a', start_s 1.0, channel '' comes after file 'b'"):
        check_order(keys_of(table_of([("b", 0.0, "0"), ("a", 1.0, None)])), "part-7")
    with pytest.raises(TableError, match=r"file 'a', start_s 1\.0, channel '0' occurs twice"):
        check_order(keys_of(table_of([("a", 1.0, "0"), ("a", 1.0, "0")])), "part-7")


def test_seeds_come_last() -> None:
    table = pa.table({"file": ["b", "a", "a"], "seed": pa.array([0, 1, None], pa.int64())})
    assert in_order(table)["seed"].to_pylist() == [None, 1, 0]
    check_order(keys_of(in_order(table)), "x")
    with pytest.raises(TableError, match=r"seed 1 occurs twice"):
        check_order(keys_of(table.take([1, 1])), "x")
