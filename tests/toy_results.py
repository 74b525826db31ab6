"""Small results, written from a few rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pcqtool.tables.paths import table_path
from pcqtool.tables.provenance import Provenance
from pcqtool.tables.schema import events_schema, files_schema, segments_schema
from pcqtool.tables.writer import write

LABELS = ("anger", "neutral", "sadness")
Rows = Sequence[Mapping[str, Any]]


def file_row(file: str, channel: str | None = "0", status: str = "ok", **more: Any) -> dict[str, Any]:
    """A row of the file table; ``shares`` are those of the labels, of 10 s of classified time unless stated."""
    row: dict[str, Any] = {"file": file, "channel": channel, "status": status, "n_segments": 0}
    if shares := more.pop("shares", None):
        columns = {f"share_{label}": share for label, share in zip(LABELS, shares, strict=True)}
        probabilities = {f"prob_{label}": share for label, share in zip(LABELS, shares, strict=True)}
        best = max(range(len(LABELS)), key=shares.__getitem__)
        row |= {"label": LABELS[best], "confidence": shares[best], "classified_s": 10.0, **columns, **probabilities}
    if status != "failed":
        row |= {"duration_s": 10.0, "sample_rate": 8000}
    return row | more


def segment_row(file: str, segment: int, label: str | None, channel: str = "0", **more: Any) -> dict[str, Any]:
    """A segment of 3 s."""
    times = {"start_s": 3.0 * segment, "end_s": 3.0 * segment + 3.0}
    confidence = None if label is None else 0.6
    row = {"file": file, "channel": channel, "segment": segment, "label": label, "confidence": confidence}
    return row | times | {"padded": False} | more


def event_row(
    file: str, start_s: float, end_s: float, label: str | None, peak: float = 0.7, **more: Any
) -> dict[str, Any]:
    """An event whose peak is at its start."""
    row: dict[str, Any] = {"file": file, "channel": "0", "event": 0, "start_s": start_s, "end_s": end_s, "label": label}
    if label is not None:
        row |= {"confidence": peak - 0.1, "peak": peak, "peak_s": start_s}
    return row | more


def write_result(
    path: Path, files: Rows, segments: Rows = (), events: Rows | None = (), root: Path | None = None
) -> Path:
    """Write the tables of a result, sorted; without events if they are None."""
    provenance = Provenance(
        model="toy",
        model_sha256="ab" * 32,
        labels=LABELS,
        fingerprint="cafe",
        aggregation="mean",
        root=None if root is None else root.as_posix(),
    )
    tables = {"segments": (segments, segments_schema(LABELS)), "files": (files, files_schema(LABELS))}
    if events is not None:
        tables["events"] = (events, events_schema(LABELS))
    for kind, (rows, schema) in tables.items():
        ordered = sorted(
            rows, key=lambda row: (row["file"], row["channel"] or "", row.get("speaker") or "", row.get("start_s", 0))
        )
        write(table_path(path, kind), pa.Table.from_pylist(list(map(dict, ordered)), schema), provenance)
    return path
