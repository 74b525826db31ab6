"""The columns of feature tables: the origin of a row as in the result tables, and arrays."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pcqtool.errors import TableError
from pcqtool.tables.schema import CHANNEL, FILE, FILE_BEGIN, FILE_END, SEGMENT, Column

SHAPE_KEY = b"shape"
"""Key of a column's metadata for the shape of its values as JSON, such as ``[150, 512]``."""

STATISTICS = ("mean", "sd")
"""Statistics of a feature over a file; each is a column of the file table, such as ``frames_mean``."""


@dataclass(frozen=True)
class ArrayColumn(Column):
    """A column of arrays of one shape, stored in C order as fixed-size lists."""

    shape: tuple[int, ...] = ()

    def field(self) -> pa.Field:
        """Return the Arrow field, with sentence and shape in its metadata."""
        plain = super().field()
        return plain.with_metadata({**plain.metadata, SHAPE_KEY: json.dumps(self.shape).encode()})


def array_column(name: str, shape: Sequence[int], sentence: str) -> ArrayColumn:
    """Make a column of float32 arrays."""
    return ArrayColumn(name, pa.list_(pa.float32(), math.prod(shape)), sentence, shape=tuple(shape))


def shape_of(field: pa.Field) -> tuple[int, ...]:
    """Return the shape of a column's arrays.

    Raises:
        TableError: if it is not a column of arrays.
    """
    stored = (field.metadata or {}).get(SHAPE_KEY)
    if stored is None or not pa.types.is_fixed_size_list(field.type):
        raise TableError(f"column {field.name} does not contain arrays", "Name an array column of 'pcqtool extract'.")
    return tuple(json.loads(stored))


def statistic_columns(feature: str) -> list[str]:
    """Return the names of the columns of a feature's statistics: ``frames`` → ``frames_mean``, ``frames_sd``."""
    return [f"{feature}_{statistic}" for statistic in STATISTICS]


def feature_files_schema(feature: str, width: int) -> pa.Schema:
    """Return the schema of the file table, which has one row per input file and channel.

    Args:
        feature: name of the feature.
        width: length of its mean and standard deviation.
    """
    mean, sd = statistic_columns(feature)
    columns = (
        FILE,
        CHANNEL,
        *FILE_BEGIN,
        array_column(mean, (width,), f"Mean of {feature} over the file's own audio; null if it has none."),
        array_column(sd, (width,), f"Standard deviation of {feature} over the file's own audio, of the population."),
        *FILE_END,
    )
    return pa.schema([column.field() for column in columns])


def feature_segments_schema(feature: str, shape: Sequence[int] | None) -> pa.Schema:
    """Return the schema of the segment table, which has one row per segment and channel.

    Args:
        feature: name of the feature.
        shape: shape of a segment's feature; ``None`` leaves the feature out.
    """
    own = (
        []
        if shape is None
        else [array_column(feature, shape, f"{feature} of the segment; null with too little speech.")]
    )
    return pa.schema([column.field() for column in (FILE, CHANNEL, *SEGMENT, *own)])
