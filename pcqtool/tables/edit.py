"""Tables read in part, some files' rows left out, several joined into one."""

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
        path: where it lies.
        first: a name that none of its rows' ``file`` comes before.
        without: files whose rows are left out.
    """

    path: Path
    first: str = ""
    without: frozenset[str] = NOTHING


def read_schema(path: Path) -> pa.Schema:
    """Read a table's columns; the table's own metadata is left out.

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
    """Join sorted tables of one run into one, in memory that is bounded by how many of them interleave.

    Args:
        slices: the tables; no file has rows in two of them, apart from those that a part leaves out.
        out: where the result goes; it may be one of the slices.
        schema: the columns that all of them have.
        provenance: what to record.

    Raises:
        FileError: if the file system refuses.
        TableError: if a table is missing or damaged, or repeats rows of another.
    """
    with appending(out, schema, provenance) as rows:
        for table in _merged(slices):
            rows.append(table)


def _merged(slices: Sequence[TableSlice]) -> Iterator[pa.Table]:
    """Give the rows of all slices in order, block by block.

    Of each table that has begun, one row group is held. All rows up to the first of these groups' ends can be given:
    what comes later has a later name, or it is of the same file and in the same table.
    """
    waiting = deque(sorted(slices, key=lambda part: part.first))
    begun: list[_Head] = []
    while waiting or begun:
        while waiting and (not begun or waiting[0].first <= min(head.last for head in begun)):
            begun += [head for head in [_Head(waiting.popleft())] if head.rows]
        if begun:
            limit = min(head.last for head in begun)
            yield in_order(pa.concat_tables([head.take(limit) for head in begun]).unify_dictionaries())
            begun = [head for head in begun if head.rows]


class _Head:
    """The next rows of a table that is being read; ``None`` when it has come to its end."""

    def __init__(self, part: TableSlice) -> None:
        self._groups = _row_groups(part)
        self.rows: pa.Table = next(self._groups, None)

    @property
    def last(self) -> str:
        """The last of the next rows' files."""
        name: str = self.rows["file"][-1].as_py()
        return name

    def take(self, limit: str) -> pa.Table:
        """Take the next rows as far as their files' names do not come after ``limit``."""
        rows = self.rows
        n = pc.sum(pc.less_equal(rows["file"], limit)).as_py()
        self.rows = rows[n:] if n < rows.num_rows else next(self._groups, None)
        return rows[:n]


def _row_groups(part: TableSlice) -> Iterator[pa.Table]:
    """Read the row groups in which something is left."""
    with _readable(part.path), open_source(part.path) as source:
        file = pq.ParquetFile(source, page_checksum_verification=True)
        for index in range(file.num_row_groups):
            rows = _without(file.read_row_group(index).replace_schema_metadata(), part.without)
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
