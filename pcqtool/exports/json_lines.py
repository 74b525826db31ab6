"""JSON Lines: an object per recording, with its tracks, segments and events."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.exports.recordings import What, has_events
from pcqtool.files.atomic import replacing
from pcqtool.json_format import JsonFormat

if TYPE_CHECKING:
    import polars as pl

    from pcqtool.batch.results import Results


def write_jsonl(results: Results, out: Path, what: What) -> list[Path]:
    """Write an object per recording, also for one that could not be read.

    Its keys are ``schema``, ``file`` and ``tracks``. A track has the columns of a row of the file table, and the lists
    ``segments`` and ``events``, whose items have the columns of those tables.

    Raises:
        TableError: if a table is missing or damaged.
        FileError: if the file cannot be written.
    """
    lists = {"segments": _partition(results.segments)}
    if has_events(results):
        lists["events"] = _partition(results.events)
    with replacing(out) as file:
        for (name,), rows in _plain(results.files).group_by("file", maintain_order=True):
            parts = {kind: _by_track(table.get(str(name))) for kind, table in lists.items()}
            tracks = [
                row | {kind: tracks[row["channel"], row.get("speaker")] for kind, tracks in parts.items()}
                for row in rows.drop("file").iter_rows(named=True)
            ]
            content = {"schema": JsonFormat.RECORDING, "file": name, "tracks": tracks}
            line = json.dumps(content, ensure_ascii=False, allow_nan=False)
            file.write(line.encode() + b"\n")
    return [out]


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table of JSON's types: text for categories and times, null for NaN."""
    import polars as pl
    import polars.selectors as cs

    return frame.with_columns(
        cs.categorical().cast(pl.String),
        pl.when(cs.float().is_finite()).then(cs.float()),
        cs.datetime().dt.to_string("%Y-%m-%dT%H:%M:%S%.6f%:z"),
    )


def _partition(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(file): rows for (file,), rows in _plain(frame).partition_by("file", as_dict=True).items()}


def _by_track(rows: pl.DataFrame | None) -> dict[tuple[str | None, str | None], list[dict[str, Any]]]:
    """Return rows by channel and speaker, without these columns."""
    found: dict[tuple[str | None, str | None], list[dict[str, Any]]] = defaultdict(list)
    if rows is not None:
        for row in rows.drop("file").iter_rows(named=True):
            found[row.pop("channel"), row.pop("speaker", None)].append(row)
    return found
