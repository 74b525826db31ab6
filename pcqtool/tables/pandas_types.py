"""Note for pandas, which else makes floats of a column of integers as soon as one is missing."""

from __future__ import annotations

import json

import pyarrow as pa

NUMPY_NAMES = {"bool": "boolean", "int8": "Int8", "int16": "Int16", "int32": "Int32", "int64": "Int64"}
"""Arrow's name of a type to pandas's name of the same type with room for missing values."""


def pandas_hints(schema: pa.Schema) -> pa.Schema:
    """Add the metadata by which pandas reads nullable integers and booleans as such; other readers pass over it.

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
    note = {"index_columns": [], "column_indexes": [], "columns": columns, "pandas_version": "2.2"}
    return schema.with_metadata({**(schema.metadata or {}), b"pandas": json.dumps(note).encode()})
