"""Checks before a run resumes: whether it may continue the tables of an earlier run, or replace them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pcqtool.batch.names import FileSignature
from pcqtool.batch.summary import has_failed
from pcqtool.errors import TableError
from pcqtool.tables.paths import Kind
from pcqtool.tables.provenance import Provenance, read_footer
from pcqtool.tables.reader import MARKS
from pcqtool.tables.rewrite import read_columns

REPLACE = "Name another --out, or add --restart to replace it."
LEFT = "It was not changed: name another --out, or move it away."


def check_continues(path: Path, kind: Kind, wanted: Provenance, columns: Sequence[str]) -> None:
    """Refuse a table that a run cannot continue.

    Raises:
        TableError: if pcqtool did not write it, or with other settings, or it is not of this kind.
    """
    found, names = _checked_footer(path, kind)
    if found.fingerprint != wanted.fingerprint:
        raise TableError(f"{path} was made with other settings: {_difference(found, wanted)}", REPLACE)
    if names != list(columns):
        raise TableError(f"{path} has different columns than this version of pcqtool writes", REPLACE)


def check_replaceable(path: Path, kind: Kind) -> None:
    """Refuse a table that a run may not even replace.

    Raises:
        TableError: if pcqtool did not write it, or it is not of this kind.
    """
    _checked_footer(path, kind)


def read_signatures(path: Path, retry_failed: bool) -> dict[str, FileSignature]:
    """Read the signatures of the recordings in a file table.

    Args:
        path: the table.
        retry_failed: mark all failed recordings to be processed again, not only those with ``retry`` in the table.

    Raises:
        TableError: if it cannot be read.
    """
    table = read_columns(path, ["file", "size_bytes", "mtime", "status", "target", "retry", "turns"])
    times = pc.cast(table["mtime"], pa.int64())
    columns = [column.to_pylist() for column in (table["size_bytes"], times, table["target"])]
    files = table["file"].to_pylist()
    signatures = dict(zip(files, map(FileSignature, *columns), strict=True))
    if "turns" in table.schema.names and table["turns"].null_count < len(files):
        for file, turns in zip(files, table["turns"].to_pylist(), strict=True):
            signatures[file] = signatures[file]._replace(turns=turns)
    retry = table["retry"]  # null means no
    if retry_failed:
        retry = pc.or_kleene(retry, has_failed(table))
    for file in table["file"].filter(retry).to_pylist():
        signatures[file] = signatures[file]._replace(retry=True)
    return signatures


def provenance_of(path: Path) -> Provenance:
    """Read the provenance of a table; the hint of the error is that a file of another program is left alone.

    Raises:
        TableError: if it cannot be read, or pcqtool did not write it.
    """
    return _footer(path)[0]


def _checked_footer(path: Path, kind: Kind) -> tuple[Provenance, list[str]]:
    """Read the provenance and the columns of a table of a kind."""
    provenance, names = _footer(path)
    if MARKS[kind] not in names:
        raise TableError(f"{path}: not a table of {kind}", LEFT)
    return provenance, names


def _footer(path: Path) -> tuple[Provenance, list[str]]:
    try:
        return read_footer(path)
    except TableError as fault:
        raise TableError(fault.what, LEFT) from fault


def _difference(found: Provenance, wanted: Provenance) -> str:
    """Describe how the settings of two runs differ."""
    parts = []
    if found.model_sha256 != wanted.model_sha256:
        other = "another model of this name" if found.model == wanted.model else f"model {wanted.model}"
        parts.append(f"by model {found.model}, not by {other}")
    parts += [
        f"{name} {found.settings.get(name)}, not {wanted.settings.get(name)}"
        for name in wanted.settings | found.settings
        if found.settings.get(name) != wanted.settings.get(name)
    ]
    return "; ".join(parts) or f"by pcqtool {found.tool_version}"
