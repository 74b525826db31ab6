"""Databases in audformat, the format that audb publishes: tables of files, segments and events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pcqtool.exports.recordings import What, has_events
from pcqtool.files.atomic import write_whole

if TYPE_CHECKING:
    import polars as pl

    from pcqtool.batch.results import Results

_HEADER = "db.yaml"


def write_audformat(results: Results, out: Path, what: What) -> list[Path]:
    """Write a database: tables ``files``, ``segments`` and ``events``, with label, confidence, channel and speaker.

    An index of audformat has each file or segment once. Recordings with several channels or speakers therefore have
    tables of their own for each, such as ``files.ch0`` and ``segments.ch1.anna``. Files keep their names, so that the
    recordings belong into the database's folder.

    Raises:
        TableError: if a table is missing or damaged.
        FileError: if a file cannot be written.
    """
    with TemporaryDirectory(prefix="pcqtool-") as folder:
        _database(results, out.absolute().name).save(folder)
        names = sorted((path.name for path in Path(folder).iterdir()), key=lambda name: name == _HEADER)
        for name in names:  # the header is the mark of a finished export
            write_whole(out / name, Path(folder, name).read_bytes())
    return [out / name for name in names]


def _database(results: Results, name: str) -> Any:
    """Return the database as audformat's object."""
    import audformat

    made_by = results.provenance
    description = f"Emotions predicted by the model {made_by.model} (pcqtool {made_by.tool_version})."
    database = audformat.Database(
        name, source="pcqtool", usage=audformat.define.Usage.OTHER, languages=[], description=description
    )
    database.raters["model"] = audformat.Rater(audformat.define.RaterType.MACHINE, description=made_by.model)
    database.schemes["emotion"] = audformat.Scheme(labels=list(made_by.labels))
    database.schemes["confidence"] = audformat.Scheme("float", minimum=0.0, maximum=1.0)
    for scheme in ("channel", "speaker"):
        database.schemes[scheme] = audformat.Scheme("str")
    for table, rows in _tables(results):
        database[table] = audformat.Table(_index(rows))
        for column, scheme in (("label", "emotion"), ("confidence", "confidence")):
            database[table][column] = audformat.Column(scheme_id=scheme, rater_id="model")
        for column in ("channel", "speaker"):
            database[table][column] = audformat.Column(scheme_id=column)
        for column in ("label", "confidence", "channel", "speaker"):
            database[table][column].set(rows[column].to_list())
    return database


def _tables(results: Results) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield tables in which each file or segment occurs once, each with a unique name."""
    import polars as pl

    files = _with_tracks(results.files)
    several = files.filter(pl.len().over("file") > 1)["file"].unique().implode()
    kinds = ("files", "segments", "events") if has_events(results) else ("files", "segments")
    taken: set[str] = set()
    for kind in kinds:
        rows = files if kind == "files" else _with_tracks(getattr(results, kind))
        if kind == "events":
            rows = rows.filter(pl.col("label").is_not_null())
        split = pl.col("file").is_in(several)
        shared = rows.filter(~split)
        if shared.height or kind == "files":
            taken.add(kind)
            yield kind, shared
        for (channel, speaker), own in rows.filter(split).group_by("channel", "speaker", maintain_order=True):
            parts = [kind, f"ch{channel}" if str(channel).isdecimal() else channel, speaker]
            yield _unique(".".join(str(part) for part in parts if part is not None), taken), own


def _with_tracks(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table with text for categories, and an empty column of speakers if it has none."""
    import polars as pl

    speaker = pl.col("speaker") if "speaker" in frame.columns else pl.lit(None).alias("speaker")
    return frame.with_columns(pl.col("channel", "label").cast(pl.String), speaker.cast(pl.String))


def _index(rows: pl.DataFrame) -> Any:
    import audformat
    import pandas as pd

    if "start_s" not in rows.columns:
        return audformat.filewise_index(rows["file"].to_list())
    starts, ends = (pd.to_timedelta(rows[column].to_numpy(), unit="s") for column in ("start_s", "end_s"))
    return audformat.segmented_index(rows["file"].to_list(), starts, ends)


def _unique(name: str, taken: set[str]) -> str:
    """Return a name that a file can have and that is not taken yet, and take it."""
    plain = re.sub(r"[^\w.-]+", "_", name)
    found, number = plain, 1
    while found.casefold() in taken:
        number += 1
        found = f"{plain}-{number}"
    taken.add(found.casefold())
    return found
