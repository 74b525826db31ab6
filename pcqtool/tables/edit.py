"""Whole tables in memory: some columns read, some files' rows left out, several joined."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pcqtool.errors import TableError
from pcqtool.tables.merge import merge
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.writer import write


def read_columns(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table, or some of its columns.

    Raises:
        TableError: if it cannot be read.
    """
    try:
        table = pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException) as fault:
        raise TableError(f"{path}: cannot be read ({fault})") from fault
    return table.replace_schema_metadata()


def drop_files(path: Path, names: Collection[str], provenance: Provenance) -> None:
    """Rewrite a table without the rows of some files."""
    table = read_columns(path)
    write(path, table.filter(pc.invert(pc.is_in(table["file"], pa.array(names, pa.string())))), provenance)


def join(paths: Sequence[Path], out: Path, provenance: Provenance) -> None:
    """Join tables of one run that share no file, in any order; in bounded memory where their files do not interleave.

    Raises:
        TableError: as ``merge``.
    """
    ranges = sorted((span, path) for path in paths if (span := _span(path)))
    ordered = [path for _, path in ranges]
    if all(before[1] < after[0] for (before, _), (after, _) in pairwise(ranges)):
        merge(ordered or list(paths[:1]), out, provenance)
    else:
        write(out, pa.concat_tables([read_columns(path) for path in ordered]), provenance)


def _span(path: Path) -> tuple[str, str] | None:
    names = pc.min_max(read_columns(path, ["file"])["file"]).as_py()
    return (names["min"], names["max"]) if names["min"] is not None else None
