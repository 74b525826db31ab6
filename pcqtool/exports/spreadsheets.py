"""CSV files and Excel workbooks: the result tables with all columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pcqtool.errors import TableError
from pcqtool.exports.recordings import What, has_events
from pcqtool.files.atomic import replacing
from pcqtool.tables.paths import KINDS, Kind, table_path

if TYPE_CHECKING:
    import polars as pl

    from pcqtool.batch.results import Results

MOST_ROWS = 1_048_575
"""Rows that a sheet of Excel has, the header not counted."""

MOST_COLUMNS = 16_384
MOST_CHARACTERS = 32_767
"""Characters that a cell of Excel holds."""


def write_csv(results: Results, out: Path, what: What) -> list[Path]:
    """Write a CSV file for each table (UTF-8, RFC 4180): ``x.csv``, ``x.segments.csv`` and ``x.events.csv``.

    Raises:
        TableError: if a table is missing or damaged.
        FileError: if a file cannot be written.
    """
    written = []
    for kind, frame in reversed(list(_tables(results))):  # the file table is the mark of a finished export
        path = table_path(out, kind)
        with replacing(path) as file:
            frame.write_csv(file, datetime_format="%Y-%m-%dT%H:%M:%S%.6f%:z")
        written.append(path)
    return written[::-1]


def write_xlsx(results: Results, out: Path, what: What) -> list[Path]:
    """Write an Excel workbook with a sheet for each table. Text stays text, whatever it begins with; times are UTC.

    Raises:
        TableError: if a table has more rows than a sheet, or is missing or damaged.
        FileError: if the file cannot be written.
    """
    from xlsxwriter import Workbook

    tables = dict(_tables(results))
    for kind, frame in tables.items():
        _check_size(kind, frame, results.path)
    plain = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with replacing(out) as file, Workbook(file, {**plain, "constant_memory": True}) as workbook:
        bold = workbook.add_format({"bold": True})
        time = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for kind, frame in tables.items():
            sheet = workbook.add_worksheet(kind)
            sheet.freeze_panes(1, 0)
            sheet.autofilter(0, 0, max(1, frame.height), frame.width - 1)
            sheet.set_column(0, 0, 40)
            for column, name in enumerate(frame.columns):
                sheet.write_string(0, column, name[:MOST_CHARACTERS], bold)
            for number, row in enumerate(_cells(frame), 1):
                for column, value in enumerate(row):
                    if isinstance(value, str):
                        sheet.write_string(number, column, value[:MOST_CHARACTERS])
                    elif isinstance(value, bool):
                        sheet.write_boolean(number, column, value)
                    elif isinstance(value, int | float):
                        sheet.write_number(number, column, value)
                    elif value is not None:
                        sheet.write_datetime(number, column, value, time)
    return [out]


def _tables(results: Results) -> Iterator[tuple[Kind, pl.DataFrame]]:
    """Yield the tables that exist, with text in place of categories."""
    import polars as pl
    import polars.selectors as cs

    for kind in KINDS:
        if kind != "events" or has_events(results):
            frame: pl.DataFrame = getattr(results, kind)
            yield kind, frame.with_columns(cs.categorical().cast(pl.String))


def _check_size(kind: Kind, frame: pl.DataFrame, path: Path) -> None:
    if frame.height > MOST_ROWS:
        raise TableError(
            f"{path}: the table of {kind} has {frame.height:,} rows, and a sheet of Excel at most {MOST_ROWS:,}",
            "Export to csv instead, or label fewer recordings per table.",
        )
    if frame.width > MOST_COLUMNS:
        raise TableError(
            f"{path}: the table of {kind} has more columns than a sheet of Excel", "Export to csv instead."
        )


def _cells(frame: pl.DataFrame) -> Iterator[tuple[object, ...]]:
    """Yield rows without what Excel cannot hold: NaN, infinity, and zones of times."""
    import polars as pl
    import polars.selectors as cs

    finite = frame.with_columns(pl.when(cs.float().is_finite()).then(cs.float()))
    return finite.with_columns(cs.datetime().dt.replace_time_zone(None)).iter_rows()
