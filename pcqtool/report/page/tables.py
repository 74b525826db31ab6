"""The three tables of a run, with numbers in place of names, as the page needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcqtool.errors import TableError
from pcqtool.tables.paths import list_tables
from pcqtool.tables.schema import (
    TRACK_BEGIN,
    TRACK_LONGEST,
    peak_columns,
    peak_time_columns,
    probability_columns,
    share_columns,
)

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from pcqtool.batch.results import Results

_KEY = ["file", "channel", "speaker"]


@dataclass(frozen=True)
class PageTables:
    """Tables of a run whose segments and events refer to rows of the file table.

    Attributes:
        labels: the model's classes.
        files: the file table, with ``recording``, the number of the recording.
        names: names of the recordings, sorted.
        segments: ``row`` (of ``files``), ``start_s``, ``end_s`` and probabilities, by row and time.
        events: ``row``, ``start_s``, ``end_s``, ``label``, ``confidence``, ``peak``, ``peak_s``, by row and time; only
            stretches with a label.
    """

    labels: tuple[str, ...]
    files: pl.DataFrame
    names: tuple[str, ...]
    segments: pl.DataFrame
    events: pl.DataFrame

    def counts(self, kind: str) -> NDArray[np.int64]:
        """Return the number of segments or events of each row of the file table."""
        import numpy as np

        rows = (self.segments if kind == "segments" else self.events)["row"].to_numpy()
        return np.bincount(rows, minlength=len(self.files)).astype(np.int64)

    def label_codes(self, frame: pl.DataFrame) -> NDArray[np.int64]:
        """Return the number of each row's label; -1 without one."""
        import numpy as np
        import polars as pl

        codes = frame["label"].replace_strict(
            list(self.labels), np.arange(len(self.labels)), default=None, return_dtype=pl.Int64
        )
        return codes.fill_null(-1).to_numpy()

    def strongest(self, n: int) -> list[list[int]]:
        """Return for each label the numbers of its ``n`` events with the highest peaks."""
        import numpy as np

        codes = self.label_codes(self.events)
        peaks = self.events["peak"].fill_null(0.0).to_numpy()
        order = np.argsort(-peaks, kind="stable")
        return [order[codes[order] == code][:n].tolist() for code in range(len(self.labels))]


def page_tables(results: Results) -> PageTables:
    """Read the tables of a run.

    Raises:
        TableError: if a table is missing or damaged, or has no labels, shares or speakers.
    """
    import polars as pl

    labels = results.provenance.labels
    files = results.files
    needed = [*probability_columns(labels), *share_columns(labels), *peak_columns(labels), *peak_time_columns(labels)]
    needed += ["label", *(column.name for column in (*TRACK_BEGIN, *TRACK_LONGEST))]
    missing = [name for name in needed if name not in files.columns]
    if missing or not labels:
        raise TableError(
            f"{results.path}: the file table has no column {missing[0] if missing else 'prob_<label>'}",
            "The page shows results of 'pcqtool label' of this version: label again with --restart.",
        )
    texts = [*_KEY, "label", "status", "error", "note"]
    files = files.with_columns(pl.col(texts).cast(pl.String)).sort(_KEY, nulls_last=False, maintain_order=True)
    names = files["file"].unique(maintain_order=True)
    recordings = pl.DataFrame({"file": names}).with_row_index("recording")
    files = files.join(recordings, on="file", how="left", maintain_order="left").with_row_index("row")
    keys = files.select("row", *_filled())
    segments = _rows_of(results.segments, keys, ["start_s", "end_s", *probability_columns(labels)])
    if not all(path.exists() for path in list_tables(results.path, "events")):
        raise TableError(f"{results.path}: no table of events beside it", "Copy it too, or label again with --restart.")
    labelled = results.events.filter(pl.col("label").is_not_null()).with_columns(pl.col("label").cast(pl.String))
    events = _rows_of(labelled, keys, ["start_s", "end_s", "label", "confidence", "peak", "peak_s"])
    return PageTables(labels, files, tuple(names.to_list()), segments, events)


def _rows_of(frame: pl.DataFrame, keys: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Return some columns of a table with the row of the file table that each belongs to, by row and time."""
    found = frame.select(*_filled(), *columns).join(keys, on=_KEY, how="inner")
    return found.select("row", *columns).sort("row", "start_s", maintain_order=True)


def _filled() -> list[pl.Expr]:
    """Return the columns of the key with text for null, since null equals nothing in a join."""
    import polars as pl

    return [pl.col(name).cast(pl.String).fill_null("") for name in _KEY]
