"""Encoding of columns: zstd for all, byte-stream split for floats, dictionaries for strings; hints for pandas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.types as pt


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """Return the options for ``pyarrow.parquet.ParquetWriter``.

    A column in both lists would get a dictionary, so the lists are disjoint: strings in one, floats in the other.
    """
    leaves = [leaf for field in schema for leaf in _leaves(field.name, field.type)]
    return {
        "compression": "zstd",
        "use_dictionary": [path for path, kind in leaves if _is_text(kind)],
        "use_byte_stream_split": [path for path, kind in leaves if pt.is_float32(kind) or pt.is_float64(kind)],
        "write_page_checksum": True,
    }


def row_bytes(schema: pa.Schema) -> int:
    """Estimate the memory of a row in bytes, from its columns alone."""
    sizes = [kind.list_size * 4 if pt.is_fixed_size_list(kind) else 16 for kind in schema.types]
    return max(1, sum(sizes))


def compact(table: pa.Table) -> pa.Table:
    """Make one chunk of each column, and dictionaries of the occurring values, so that equal rows are equal bytes."""
    for index, field in enumerate(table.schema):
        if pt.is_dictionary(field.type):
            column = table.column(index).cast(field.type.value_type).combine_chunks()
            table = table.set_column(index, field, column.dictionary_encode().cast(field.type))
    return table.combine_chunks()


NUMPY_NAMES = {"bool": "boolean", "int8": "Int8", "int16": "Int16", "int32": "Int32", "int64": "Int64"}
"""Names of Arrow's types, with the names of pandas's nullable types."""


def pandas_hints(schema: pa.Schema) -> pa.Schema:
    """Add pandas metadata that keeps nullable integer and boolean columns what they are; other readers ignore it.

    The format is that of https://pandas.pydata.org/docs/development/developer.html.
    """
    columns = [
        {
            "name": field.name,
            "field_name": field.name,
            "pandas_type": str(field.type),
            "numpy_type": NUMPY_NAMES[str(field.type)],
            "metadata": None,
        }
        for field in schema
        if field.nullable and str(field.type) in NUMPY_NAMES
    ]
    metadata = {"index_columns": [], "column_indexes": [], "columns": columns, "pandas_version": "2.2"}
    return schema.with_metadata({**(schema.metadata or {}), b"pandas": json.dumps(metadata).encode()})


def _leaves(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    else:
        yield path, kind


def _is_text(kind: pa.DataType) -> bool:
    return any((pt.is_dictionary(kind), pt.is_string(kind), pt.is_large_string(kind)))
