"""The only writer of Parquet tables: row group by row group, atomically, with provenance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from pcqtool.errors import TableError
from pcqtool.files.atomic import replacing, reported
from pcqtool.tables.order import check_order, in_order, keys_of
from pcqtool.tables.parquet_encoding import compact, pandas_hints, parquet_options, row_bytes
from pcqtool.tables.provenance import METADATA_KEY, Provenance
from pcqtool.tables.schema import PROBABILITY_PREFIX, probability_columns

ROW_GROUP_ROWS = 65_536
"""Rows of a row group: few enough to hold in memory, enough to compress and scan well."""

ROW_GROUP_BYTES = 32 * 2**20
"""Memory limit of a row group: wide rows such as spectrograms get fewer rows per group."""

BLOCK_BYTES = 8 * 2**20
"""Memory limit of the rows that are collected as dictionaries, which take more memory than a table of them."""


def write(path: Path, table: pa.Table, provenance: Provenance) -> None:
    """Write a table, sorted by file, then start, then channel; an existing file is replaced.

    Raises:
        FileError: if the file system refuses.
        TableError: if two rows have the same keys, or columns do not fit the provenance.
    """
    with appending(path, table.schema, provenance) as rows:
        rows.append(in_order(table))


@contextmanager
def appending(path: Path, schema: pa.Schema, provenance: Provenance) -> Iterator[Appender]:
    """Open a table to be written piece by piece; it appears at ``path`` when the block ends without an error.

    Raises:
        FileError: if the file system refuses.
        TableError: if columns do not fit the provenance.
    """
    with replacing(path) as file:
        rows = Appender(path, file, schema, provenance)
        try:
            yield rows
            rows.finish()
        except BaseException:
            rows.abandon()
            raise


class Appender:
    """A table being written, opened by ``appending``; one row group is held in memory.

    All row groups but the last have the same number of rows, which depends on the columns alone. So the same rows make
    the same file, byte for byte, whatever the pieces.
    """

    def __init__(self, path: Path, file: BinaryIO, schema: pa.Schema, provenance: Provenance) -> None:
        _check_labels(path, schema, provenance)
        self.path = path
        self.schema = pandas_hints(schema)
        metadata = {**(self.schema.metadata or {}), METADATA_KEY: provenance.to_json().encode()}
        self._pending: list[pa.Table] = []
        self._n_pending = 0
        self._rows: list[dict[str, Any]] = []
        self._n_group = max(1, min(ROW_GROUP_ROWS, ROW_GROUP_BYTES // row_bytes(schema)))
        self._n_block = max(1, BLOCK_BYTES // row_bytes(schema))
        self._last = keys_of(schema.empty_table())
        with reported(path):
            self._writer = pq.ParquetWriter(file, self.schema.with_metadata(metadata), **parquet_options(schema))

    def append(self, table: pa.Table, source: Path | None = None) -> None:
        """Add rows, which must sort after all rows added before.

        Args:
            table: rows with the schema's columns; types are converted if nothing is lost (strings to dictionaries).
            source: name of the rows' origin, for the error.

        Raises:
            FileError: if the file system refuses.
            TableError: if columns do not fit the schema, or rows are out of order.
        """
        source = source or self.path
        table = self._conforming(table, source)
        keys = keys_of(table)
        check_order(pa.concat_tables([self._last, keys]), str(source))
        if table.num_rows:
            self._last = keys.slice(table.num_rows - 1)
        self._pending.append(table)
        self._n_pending += table.num_rows
        if self._n_pending >= self._n_group:
            self._write(self._n_pending - self._n_pending % self._n_group)

    def append_rows(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add rows as dictionaries by column name; use this or ``append`` for a table, not both.

        Raises:
            FileError, TableError: as ``append``, in this call or a later one.
        """
        self._rows += rows
        if len(self._rows) >= self._n_block:
            self._append_block()

    def _append_block(self) -> None:
        rows, self._rows = self._rows, []
        self.append(pa.Table.from_pylist(rows, self.schema))

    def finish(self) -> None:
        """Write the pending rows and the footer."""
        if self._rows:
            self._append_block()
        self._write(self._n_pending)
        with reported(self.path):
            self._writer.close()

    def abandon(self) -> None:
        """Close the writer without completing the table."""
        with suppress(Exception):
            self._writer.close()

    def _write(self, n: int) -> None:
        """Write the first ``n`` pending rows."""
        if not n:
            return
        table = pa.concat_tables(self._pending)
        with reported(self.path):
            for start in range(0, n, self._n_group):
                rows = compact(table.slice(start, min(self._n_group, n - start)))
                self._writer.write_table(rows, row_group_size=self._n_group)
        self._pending, self._n_pending = [table.slice(n)], table.num_rows - n

    def _conforming(self, table: pa.Table, source: Path) -> pa.Table:
        if table.schema.names != self.schema.names:
            raise TableError(
                f"{source}: columns {', '.join(table.schema.names)}, expected {', '.join(self.schema.names)}"
            )
        try:
            return table.cast(self.schema)
        except (pa.ArrowException, ValueError) as fault:
            raise TableError(f"{source}: rows do not fit the columns ({fault})") from fault


def _check_labels(path: Path, schema: pa.Schema, provenance: Provenance) -> None:
    found = [name for name in schema.names if name.startswith(PROBABILITY_PREFIX)]
    if found and found != probability_columns(provenance.labels):
        raise TableError(f"{path}: columns {', '.join(found)} for the labels {', '.join(provenance.labels)}")
