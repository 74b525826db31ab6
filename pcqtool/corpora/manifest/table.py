"""Rows of a manifest file, each with the number of the line (or row) that a person would look for."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pcqtool.errors import CorpusError

TableRow = dict[str, Any]


def read_table(path: Path) -> Iterator[tuple[int, TableRow]]:
    """Read a CSV, TSV, JSONL or Parquet file as (number, row) pairs; empty lines are passed over.

    Text is UTF-8, or has the byte-order mark of another Unicode encoding, with any line ends. Lines are counted from 1
    with the heading, rows of Parquet from 1 without one. Values of CSV and TSV are strings; either may be separated by
    semicolons, as spreadsheets write it where the comma is for decimals, by tabs or commas, or by what a first line
    ``sep=;`` says.

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
def _separated(delimiter: str) -> Callable[[Path], Iterator[tuple[int, TableRow]]]:
    def rows(path: Path) -> Iterator[tuple[int, TableRow]]:
        text = _text(path)
        said = _SAID.match(text)
        sign = said[1] if said else next((sign for sign in (delimiter, *_SIGNS) if _parts(text, sign)), delimiter)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
        try:
            if said:
                next(reader)
            heading = [name.strip() for name in next(reader, [])]
            if twice := {name for name in heading if name and heading.count(name) > 1}:
                raise CorpusError(f"{path}, line {reader.line_num}: more than one column is called {min(twice)!r}")
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


def _parts(text: str, sign: str) -> bool:
    """Say whether a sign separates anything in the heading."""
    try:
        return len(next(csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True), [])) > 1
    except csv.Error:
        return False


def _json_lines(path: Path) -> Iterator[tuple[int, TableRow]]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line, object_pairs_hook=_once)
            except (ValueError, RecursionError) as error:  # the latter where brackets are nested too deep
                raise CorpusError(f"{path}, line {number}: not JSON: {error}") from error
            if not isinstance(row, dict):
                raise CorpusError(f"{path}, line {number}: not a JSON object")
            yield number, row


def _once(pairs: list[tuple[str, Any]]) -> TableRow:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a name is there twice in it")
    return row


def _parquet(path: Path) -> Iterator[tuple[int, TableRow]]:
    import polars

    try:
        with path.open("rb") as file:  # polars takes a path for a pattern, or for an address
            table = polars.read_parquet(file)
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError) as error:
        raise CorpusError(f"{path}: not a readable Parquet file: {error}") from error
    yield from enumerate(table.iter_rows(named=True), start=1)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error.strerror or error}") from error
    encoding = next((name for mark, name in _MARKS.items() if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CorpusError(
            f"{path}, line {line}: not {encoding.removesuffix('-sig').upper()}", "Save the file in the encoding UTF-8."
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise CorpusError(f"{path}, line {line}: holds zeros, as no text does", "Save the file in the encoding UTF-8.")
    return text


_MARKS = {  # the longest first
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SIGNS = (",", ";", "\t")
_SAID = re.compile(r"\"?sep=([,;\t|])\"?(?=[\r\n])", re.IGNORECASE)
"""The first line by which Excel is told, and tells, what separates."""

READERS: dict[str, Callable[[Path], Iterator[tuple[int, TableRow]]]] = {
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}
