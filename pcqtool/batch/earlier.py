"""Earlier tables where a run is to write: what they hold, and whether it may go on with them or replace them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pcqtool.batch.names import FileSignature
from pcqtool.batch.summary import has_failed
from pcqtool.errors import TableError
from pcqtool.tables.edit import read_columns, read_schema
from pcqtool.tables.paths import Kind
from pcqtool.tables.provenance import Provenance, read_provenance
from pcqtool.tables.reader import MARKS

REPLACE = "Name another --out, or add --restart to replace it."
LEFT = "It is left as it is: name another --out, or move it away."


def check_continues(path: Path, kind: Kind, wanted: Provenance, columns: Sequence[str]) -> None:
    """Refuse a table that the run cannot go on with.

    Raises:
        TableError: if it is not one of pcqtool's of this kind, or was made with other settings.
    """
    check_replaceable(path, kind)
    found = provenance_of(path)
    if found.fingerprint != wanted.fingerprint:
        raise TableError(f"{path} was made otherwise: {_difference(found, wanted)}", REPLACE)
    if read_schema(path).names != list(columns):
        raise TableError(f"{path} has other columns than this version of pcqtool writes", REPLACE)


def check_replaceable(path: Path, kind: Kind) -> None:
    """Refuse a table that a run may not even replace.

    Raises:
        TableError: if it is not one of pcqtool's of this kind.
    """
    provenance_of(path)
    if MARKS[kind] not in read_schema(path).names:
        raise TableError(f"{path}: not a table of {kind}", LEFT)


def read_stamps(path: Path, retry_failed: bool) -> dict[str, FileSignature]:
    """Read which recordings a file table holds.

    Args:
        path: the table.
        retry_failed: mark all that failed to be done again, not only those of which the table says so.

    Raises:
        TableError: if it cannot be read.
    """
    table = read_columns(path, ["file", "size_bytes", "mtime", "status", "target", "retry"])
    times = pc.cast(table["mtime"], pa.int64())
    columns = [column.to_pylist() for column in (table["size_bytes"], times, table["target"])]
    stamps = dict(zip(table["file"].to_pylist(), map(FileSignature, *columns), strict=True))
    again = table["retry"]  # null is no
    if retry_failed:
        again = pc.or_kleene(again, has_failed(table))
    for file in table["file"].filter(again).to_pylist():
        stamps[file] = stamps[file]._replace(again=True)
    return stamps


def provenance_of(path: Path) -> Provenance:
    """Read the provenance of a table; what is not of pcqtool must stay as it is.

    Raises:
        TableError: if it cannot be read, or is not of pcqtool.
    """
    try:
        return read_provenance(path)
    except TableError as fault:
        raise TableError(fault.what, LEFT) from fault


def _difference(found: Provenance, wanted: Provenance) -> str:
    """Describe in what two runs differ."""
    parts = []
    if found.model_sha256 != wanted.model_sha256:
        other = "another model of this name" if found.model == wanted.model else f"model {wanted.model}"
        parts.append(f"by model {found.model}, not by {other}")
    parts += [
        f"{name} {found.settings.get(name)}, not {value}"
        for name, value in wanted.settings.items()
        if found.settings.get(name) != value
    ]
    return "; ".join(parts) or f"by pcqtool {found.tool_version}"
