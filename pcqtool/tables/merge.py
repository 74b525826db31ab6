"""Many part tables to one, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pcqtool.errors import TableError
from pcqtool.tables.provenance import Provenance, check_fingerprint, read_provenance
from pcqtool.tables.writer import appending


def merge(parts: Sequence[Path], out: Path, provenance: Provenance | None = None) -> None:
    """Join part tables, in the order given, into one; row groups are gathered to a good size.

    Args:
        parts: tables of one run, each sorted, the files of one before those of the next.
        out: where the table goes; it appears when all is written.
        provenance: what to record; by default that of the first part.

    Raises:
        TableError: if there is no part, a part is damaged, made with other settings, out of order, or repeats a row; or
            if the file system refuses.
    """
    if not parts:
        raise TableError(f"{out}: there are no parts to merge")
    provenance = provenance or read_provenance(parts[0])
    with appending(out, _schema(parts[0]), provenance) as rows:
        for path in parts:
            check_fingerprint(read_provenance(path), provenance, path)
            for group in _row_groups(path):
                rows.append(group, source=path)


def _schema(path: Path) -> pa.Schema:
    with _read_faults(path):
        schema = pq.read_schema(path)
    return schema.with_metadata(None)


def _row_groups(path: Path) -> Iterator[pa.Table]:
    with _read_faults(path), pq.ParquetFile(path, page_checksum_verification=True) as part:
        for index in range(part.num_row_groups):
            yield part.read_row_group(index)


@contextmanager
def _read_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as fault:
        raise TableError(
            f"{path}: cannot be read ({fault})", "Delete this part and run again: it is made anew."
        ) from fault
