"""Rows of a manifest file, each with the number of the line (or row) that a person would look for."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pcqtool.errors import CorpusError

Row = dict[str, Any]


def read(path: Path) -> Iterator[tuple[int, Row]]:
    """Read a CSV, TSV, JSONL or Parquet file as (number, row) pairs; empty lines are passed over.

    Text is UTF-8, with or without byte-order mark, with any line ends. Lines are counted from 1 with the heading,
    rows of Parquet from 1 without one. Values of CSV and TSV are strings; CSV may be separated by semicolons, as
    spreadsheets write it where the comma is for decimals.

    Raises:
        CorpusError: if the file is missing, of another kind, or damaged; with the line where it is known.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise CorpusError(f"{path}: not a manifest", f"A manifest ends in {', '.join(READERS)}.")
    if not path.is_file():
        raise CorpusError(f"{path}: no such file")
    return reader(path)


# The csv and json modules, not polars: polars names no line for a row that is too long or is no JSON.
def _separated(delimiter: str) -> Callable[[Path], Iterator[tuple[int, Row]]]:
    def rows(path: Path) -> Iterator[tuple[int, Row]]:
        text = _text(path)
        first = text.partition("\n")[0]
        sign = ";" if ";" in first and delimiter not in first else delimiter
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
        try:
            heading = [name.strip() for name in next(reader, [])]
            if twice := {name for name in heading if name and heading.count(name) > 1}:
                raise CorpusError(f"{path}, line 1: more than one column is called {min(twice)!r}")
            for fields in reader:
                if any(field.strip() for field in fields):
                    if any(fields[len(heading) :]):
                        raise CorpusError(
                            f"{path}, line {reader.line_num}: {len(fields)} fields, but {len(heading)} columns",
                            "Put a value that holds the separator in double quotes.",
                        )
                    yield reader.line_num, dict(zip(heading, fields, strict=False))
        except csv.Error as error:
            raise CorpusError(f"{path}, line {reader.line_num}: {error}") from error

    return rows


def _json_lines(path: Path) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise CorpusError(f"{path}, line {number}: not JSON: {error}") from error
            if not isinstance(row, dict):
                raise CorpusError(f"{path}, line {number}: not a JSON object")
            yield number, row


def _parquet(path: Path) -> Iterator[tuple[int, Row]]:
    import polars

    try:
        with path.open("rb") as file:  # polars takes a path for a pattern, or for an address
            rows = polars.read_parquet(file)
    except polars.exceptions.PolarsError as error:
        raise CorpusError(f"{path}: not a readable Parquet file: {error}") from error
    yield from enumerate(rows.iter_rows(named=True), start=1)


def _text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CorpusError(f"{path}, line {line}: not UTF-8", "Save the file in the encoding UTF-8.") from error


READERS: dict[str, Callable[[Path], Iterator[tuple[int, Row]]]] = {
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}
