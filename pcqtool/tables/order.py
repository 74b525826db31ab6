"""The order of rows: by file, then start, channel, seed and speaker; no two rows have the same keys."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pcqtool.errors import TableError

KEYS = ("file", "start_s", "channel", "seed", "speaker")
"""Sort keys, if a table has these columns; names sort by code point, as ``str`` in Python."""


def keys_of(table: pa.Table) -> pa.Table:
    """Return the sort keys of a table as plain values without nulls (a null channel comes first)."""
    present = [name for name in KEYS if name in table.schema.names]
    return pa.table({name: _plain(table[name]) for name in present})


def in_order(table: pa.Table) -> pa.Table:
    """Sort a table's rows; return a sorted table unchanged."""
    keys = keys_of(table)
    if keys.num_columns == 0 or first_violation(keys) is None:
        return table
    return table.take(pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names]))


def first_violation(keys: pa.Table) -> int | None:
    """Return the index of the first row that does not sort strictly after its predecessor; None if all do."""
    rises: pa.ChunkedArray | pa.Array = pa.repeat(False, max(keys.num_rows - 1, 0))
    for name in reversed(keys.column_names):
        before, after = keys[name][:-1], keys[name][1:]
        rises = pc.or_(pc.less(before, after), pc.and_(pc.equal(before, after), rises))
    found: int = pc.index(rises, False).as_py() if keys.num_rows > 1 else -1
    return None if found < 0 else found + 1


def check_order(keys: pa.Table, source: str) -> None:
    """Refuse rows that are out of order or occur twice.

    Raises:
        TableError: if there is such a row.
    """
    row = first_violation(keys) if keys.num_columns else None
    if row is None:
        return
    here, before = (keys.slice(index, 1).to_pylist()[0] for index in (row, row - 1))
    fault = "occurs twice" if here == before else f"comes after {_words(before)}"
    raise TableError(f"{source}: {_words(here)} {fault}", "Rows must be unique, and sorted by file, then start.")


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return pc.fill_null(column, "" if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) else 0)


def _words(keys: dict[str, object]) -> str:
    return ", ".join(f"{name} {value!r}" for name, value in keys.items())
