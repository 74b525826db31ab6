"""Read results with polars, from a table or from a directory of parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.errors import TableError
from pcqtool.tables.open import scan
from pcqtool.tables.paths import Kind, list_tables
from pcqtool.tables.provenance import common_provenance

if TYPE_CHECKING:
    import polars as pl

MARKS: dict[Kind, str] = {"files": "status", "segments": "segment", "events": "event"}
"""For each kind, a column that only this kind of table has."""


def read_files(path: Path) -> pl.DataFrame:
    """Read the file table.

    Args:
        path: ``results.parquet``, or a directory with ``files/part-*.parquet``.

    Raises:
        TableError: if it is missing or damaged, pcqtool did not write it, or parts have different settings.
    """
    return _collect(scan_files(path), path)


def read_segments(path: Path) -> pl.DataFrame:
    """Read the segment table that belongs to the file table at ``path``.

    Args:
        path: ``results.parquet``, with ``results.segments.parquet`` beside it, or a directory with
            ``segments/part-*.parquet``.

    Raises:
        TableError: as ``read_files``.
    """
    return _collect(scan_segments(path), path)


def read_events(path: Path) -> pl.DataFrame:
    """Read the event table that belongs to the file table at ``path``.

    Args:
        path: ``results.parquet``, with ``results.events.parquet`` beside it, or a directory with
            ``events/part-*.parquet``.

    Raises:
        TableError: as ``read_files``.
    """
    return _collect(scan_events(path), path)


def scan_files(path: Path) -> pl.LazyFrame:
    """Scan the file table: rows are read when the query is collected. Errors as in ``read_files``."""
    return _scan(path, "files")


def scan_segments(path: Path) -> pl.LazyFrame:
    """Scan the segment table: rows are read when the query is collected. Errors as in ``read_files``."""
    return _scan(path, "segments")


def scan_events(path: Path) -> pl.LazyFrame:
    """Scan the event table: rows are read when the query is collected. Errors as in ``read_files``."""
    return _scan(path, "events")


def _scan(path: Path, kind: Kind) -> pl.LazyFrame:
    tables = list_tables(path, kind)
    if not tables:
        raise TableError(
            f"{path}: no finished part in {path / kind}", "Name results.parquet, or a run's --out directory."
        )
    common_provenance(tables)
    frame = scan(tables)
    if MARKS[kind] not in frame.collect_schema():
        raise TableError(
            f"{tables[0]}: not a table of {kind}", "Name results.parquet; the other tables are found beside it."
        )
    return frame


def collect_all(frames: Sequence[pl.LazyFrame], path: Path) -> list[pl.DataFrame]:
    """Collect several queries on the tables at ``path`` together, in blocks: memory holds only their results.

    Raises:
        TableError: if a table is damaged.
    """
    import polars as pl
    from polars.exceptions import PolarsError

    try:
        return pl.collect_all(frames, engine="streaming")
    except (OSError, PolarsError) as fault:
        raise TableError(f"{path}: cannot be read ({fault})") from fault


def _collect(frame: pl.LazyFrame, path: Path) -> pl.DataFrame:
    from polars.exceptions import PolarsError

    try:
        return frame.collect()
    except (OSError, PolarsError) as fault:
        raise TableError(f"{path}: cannot be read ({fault})") from fault
