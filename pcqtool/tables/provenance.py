"""Provenance of a table: model, settings and versions, stored in the Parquet file itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pcqtool.errors import TableError
from pcqtool.tables.open import open_source
from pcqtool.tables.schema import SCHEMA_VERSION
from pcqtool.version import __version__

METADATA_KEY = b"pcqtool"
"""Key of the file metadata under which the JSON is stored."""


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How a table was made; equal fingerprints mean that two tables were made the same way.

    Attributes:
        schema_version: version of the table's columns.
        tool_version: version of pcqtool that wrote it.
        model: name of the model.
        model_sha256: hash of the model's weights.
        labels: the model's classes, in its order.
        fingerprint: hash of everything that changes results; equal fingerprints, equal results.
        aggregation: rule from segments to file, one of ``pcqtool.aggregation.AGGREGATIONS``.
        settings: the settings in full, as JSON values.
        root: the folder that names of files are relative to, with POSIX slashes; None if names have no root.
        created: when the table was written (UTC).
    """

    model: str
    model_sha256: str
    labels: tuple[str, ...]
    fingerprint: str
    aggregation: str
    settings: dict[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION
    tool_version: str = __version__
    root: str | None = None
    created: datetime = field(default_factory=_now)

    def to_json(self) -> str:
        """Return the JSON text for the file metadata."""
        values = asdict(self) | {"created": self.created.isoformat()}
        text = json.dumps(values, ensure_ascii=False, sort_keys=True)
        try:
            text.encode()
        except UnicodeEncodeError:  # the name of a folder is not valid UTF-8
            text = json.dumps(values, sort_keys=True)
        return text

    @classmethod
    def from_json(cls, text: str | bytes, source: Path | str = "the table") -> Provenance:
        """Parse the JSON text; keys that this version does not know are ignored.

        Args:
            text: the text of ``to_json``.
            source: name of the file, for the error.

        Raises:
            TableError: if the text is damaged, incomplete, or of a newer schema version.
        """
        try:
            values = json.loads(text)
            version = int(values["schema_version"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as fault:
            raise TableError(f"{source}: damaged provenance ({fault!r})", "Write the table again.") from fault
        if version > SCHEMA_VERSION:
            raise TableError(
                f"{source}: schema version {version}, written by pcqtool {values.get('tool_version', 'unknown')}",
                f"This pcqtool ({__version__}) reads up to version {SCHEMA_VERSION}: install a newer one.",
            )
        try:
            values["labels"] = tuple(values["labels"])
            values.setdefault("root", None)
            values["created"] = datetime.fromisoformat(values["created"])
            return cls(**{key.name: values[key.name] for key in fields(cls)})
        except (ValueError, KeyError, TypeError) as fault:
            raise TableError(f"{source}: incomplete provenance ({fault!r})", "Write the table again.") from fault


def read_provenance(path: Path) -> Provenance:
    """Read a table's provenance; only the end of the file is read.

    Raises:
        TableError: as ``read_footer``.
    """
    return read_footer(path)[0]


def read_footer(path: Path) -> tuple[Provenance, list[str]]:
    """Read a table's provenance and the names of its columns, opening it once.

    Raises:
        TableError: if the file is missing or damaged, is not a table of pcqtool, or has a newer schema version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_source(path) as file:
            footer = pq.read_metadata(file)
            metadata, names = footer.metadata or {}, footer.schema.to_arrow_schema().names
    except FileNotFoundError as fault:
        raise TableError(f"{path}: no such file") from fault
    except (OSError, pa.ArrowException) as fault:
        raise TableError(f"{path}: cannot be read as Parquet ({fault})") from fault
    if METADATA_KEY not in metadata:
        raise TableError(f"{path}: a Parquet file, but not written by pcqtool", "Name a table of pcqtool.")
    return Provenance.from_json(metadata[METADATA_KEY], path), names


def common_provenance(paths: Iterable[Path]) -> Provenance:
    """Return the provenance of the first of several tables that were made with the same settings.

    Raises:
        TableError: if no table is given, or one has another fingerprint than the first.
    """
    first: Provenance | None = None
    for path in paths:
        provenance = read_provenance(path)
        first = first or provenance
        check_fingerprint(provenance, first, path)
    if first is None:
        raise TableError("no table to read")
    return first


def check_fingerprint(found: Provenance, expected: Provenance, path: Path) -> None:
    """Refuse a table that was made with other settings than expected.

    Raises:
        TableError: if the fingerprints differ.
    """
    if found.fingerprint != expected.fingerprint:
        raise TableError(
            f"{path}: made with other settings (fingerprint {found.fingerprint}, not {expected.fingerprint})",
            "Delete it, or use a separate directory for each run.",
        )
