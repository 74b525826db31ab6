"""Columns of arrays, read as numpy arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pcqtool.errors import TableError
from pcqtool.tables.feature_schema import shape_of
from pcqtool.tables.paths import list_tables
from pcqtool.tables.provenance import common_provenance
from pcqtool.tables.rewrite import read_columns, read_schema

if TYPE_CHECKING:
    import polars as pl


def read_features(path: str | Path, column: str) -> tuple[NDArray[np.float32], pl.DataFrame]:
    """Read a column of arrays from the tables of ``pcqtool extract``.

    Args:
        path: ``features.parquet``, or the directory of parts.
        column: name of the column, such as ``frames`` or ``frames_mean``, in either of the two tables.

    Returns:
        Array of shape ``(n, *shape)``, and the other columns of its ``n`` rows; rows without an array are left out.

    Raises:
        TableError: if a table is missing or damaged, or no table has such a column.
    """
    import polars as pl

    tables = [list_tables(Path(path), kind) for kind in ("files", "segments")]
    for paths in tables:
        if not paths:
            raise TableError(f"{path}: no finished part in it", "Name features.parquet, or a run's --out directory.")
        common_provenance(paths)
        schema = read_schema(paths[0])
        if column in schema.names:
            shape = shape_of(schema.field(column))
            others = [field.name for field in schema if not pa.types.is_fixed_size_list(field.type)]
            rows = pa.concat_tables([read_columns(each, [*others, column]) for each in paths]).unify_dictionaries()
            rows = rows.filter(rows[column].is_valid())
            return to_numpy(rows[column], shape), pl.DataFrame(pl.from_arrow(rows.select(others)))
    columns = [name for paths in tables for name in _array_columns(read_schema(paths[0]))]
    raise TableError(f"{path}: no column {column!r}", f"Columns of arrays: {', '.join(columns) or 'none'}.")


def to_numpy(column: pa.ChunkedArray, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a column of fixed-size lists as one writable array ``(n, *shape)``; nulls are left out."""
    flat: NDArray[np.float32] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False, writable=True)
    return flat.reshape(-1, *shape)


def _array_columns(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_fixed_size_list(field.type)]
