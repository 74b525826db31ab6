"""Tables on disk: read by columns, rewritten without the rows of some files, joined into one."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pcqtool.errors import TableError
from pcqtool.tables.open import open_source
from pcqtool.tables.order import in_order
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.writer import appending, write

NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TableSlice:
    """A table to be joined with others.

    Attributes:
        path: the table.
        first: a name that sorts before or equals every ``file`` in it.
        without: files whose rows are left out.
    """

    path: Path
    first: str = ""
    without: frozenset[str] = NOTHING


def read_schema(path: Path) -> pa.Schema:
    """Read a table's schema, without the metadata of the table.

    Raises:
        TableError: if it cannot be read.
    """
    with _readable(path), open_source(path) as file:
        return pq.read_schema(file).remove_metadata()


def read_columns(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table, or some of its columns.

    Raises:
        TableError: if it cannot be read.
    """
    with _readable(path), open_source(path) as file:
        return pq.ParquetFile(file, page_checksum_verification=True).read(columns).replace_schema_metadata()


def drop_files(path: Path, names: Collection[str], provenance: Provenance) -> None:
    """Rewrite a table without the rows of some files.

    Raises:
        FileError: if it cannot be written.
        TableError: if it cannot be read.
    """
    write(path, _without(read_columns(path), names), provenance)


def join(slices: Sequence[TableSlice], out: Path, schema: pa.Schema, provenance: Provenance) -> None:
    """Join sorted tables of one run into one. The more tables overlap in their names, the more memory is used.

    Args:
        slices: the tables; no file has rows in two slices.
        out: path of the joined table; it may be the path of a slice.
        schema: the columns of all tables.
        provenance: recorded in the joined table.

    Raises:
        FileError: if the file system refuses.
        TableError: if a table is missing or damaged, or repeats rows of another.
    """
    with appending(out, schema, provenance) as rows:
        for table in _merged(slices):
            rows.append(table)


def _merged(slices: Sequence[TableSlice]) -> Iterator[pa.Table]:
    """Yield the rows of all slices in order, block by block.

    One row group of each open table is held. All rows up to the end that comes first among these groups can be
    yielded: later rows have a later name, or belong to the same file in the same table.
    """
    pending = deque(sorted(slices, key=lambda each: each.first))
    readers: list[_SliceReader] = []
    while pending or readers:
        while pending and (not readers or pending[0].first <= min(reader.last for reader in readers)):
            readers += [reader for reader in [_SliceReader(pending.popleft())] if reader.rows]
        if readers:
            limit = min(reader.last for reader in readers)
            yield in_order(pa.concat_tables([reader.take(limit) for reader in readers]).unify_dictionaries())
            readers = [reader for reader in readers if reader.rows]


class _SliceReader:
    """Reads a slice row group by row group; ``rows`` are the next ones, None at the end."""

    def __init__(self, table: TableSlice) -> None:
        self._groups = _row_groups(table)
        self.rows: pa.Table = next(self._groups, None)

    @property
    def last(self) -> str:
        """The last ``file`` of the next rows."""
        name: str = self.rows["file"][-1].as_py()
        return name

    def take(self, limit: str) -> pa.Table:
        """Take the next rows up to the file ``limit``, inclusive."""
        rows = self.rows
        n = pc.sum(pc.less_equal(rows["file"], limit)).as_py()
        self.rows = rows[n:] if n < rows.num_rows else next(self._groups, None)
        return rows[:n]


def _row_groups(table: TableSlice) -> Iterator[pa.Table]:
    """Read the row groups of a slice, except those that become empty."""
    with _readable(table.path), open_source(table.path) as source:
        file = pq.ParquetFile(source, page_checksum_verification=True)
        for index in range(file.num_row_groups):
            rows = _without(file.read_row_group(index).replace_schema_metadata(), table.without)
            if rows.num_rows:
                yield rows


def _without(table: pa.Table, names: Collection[str]) -> pa.Table:
    if not names:
        return table
    return table.filter(pc.invert(pc.is_in(table["file"], pa.array(names, pa.string()))))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as fault:
        raise TableError(f"{path}: cannot be read ({fault})") from fault
