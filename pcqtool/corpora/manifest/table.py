"""Tables as rows, each with the number of its line (or row) for messages."""

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
    """Read a CSV, TSV, JSONL or Parquet file as (number, row) pairs; empty lines are skipped.

    Text is UTF-8, or another Unicode encoding with a byte-order mark; line ends are those of any system. Lines are
    counted from 1 and include the heading; rows of Parquet are counted from 1. Values of CSV and TSV are strings. Their
    separator is a comma, a tab, a semicolon (as spreadsheets write it where the comma is the decimal mark), or the
    separator that a first line ``sep=;`` declares.

    Raises:
        CorpusError: if the file is missing, damaged or of another format; with the line if it is known.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise CorpusError(f"{path}: not a manifest", f"A manifest ends in {', '.join(READERS)}.")
    if not path.is_file():
        raise CorpusError(f"{path}: no such file")
    return reader(path)


# The csv and json modules, not polars: polars does not name the line of a row that is too long or is not JSON.
def _separated(delimiter: str) -> Callable[[Path], Iterator[tuple[int, TableRow]]]:
    def rows(path: Path) -> Iterator[tuple[int, TableRow]]:
        text = _text(path)
        declared = _DECLARATION.match(text)
        candidates = (each for each in (delimiter, *_SEPARATORS) if _separates(text, each))
        separator = declared[1] if declared else next(candidates, delimiter)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        try:
            if declared:
                next(reader)
            heading = [name.strip() for name in next(reader, [])]
            if twice := {name for name in heading if name and heading.count(name) > 1}:
                raise CorpusError(f"{path}, line {reader.line_num}: more than one column is called {min(twice)!r}")
            for fields in reader:
                if any(field.strip() for field in fields):
                    if any(fields[len(heading) :]):
                        raise CorpusError(
                            f"{path}, line {reader.line_num}: {len(fields)} fields, but {len(heading)} columns",
                            "Put a value that contains the separator in double quotes.",
                        )
                    yield reader.line_num, dict(zip(heading, fields, strict=False))
        except csv.Error as error:
            raise CorpusError(f"{path}, line {reader.line_num}: {error}") from error

    return rows


def _separates(text: str, separator: str) -> bool:
    """Whether a separator divides the heading into several columns."""
    try:
        return len(next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), [])) > 1
    except csv.Error:
        return False


def _json_lines(path: Path) -> Iterator[tuple[int, TableRow]]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line, object_pairs_hook=_unique)
            except (ValueError, RecursionError) as error:  # RecursionError: brackets are nested too deeply
                raise CorpusError(f"{path}, line {number}: not JSON: {error}") from error
            if not isinstance(row, dict):
                raise CorpusError(f"{path}, line {number}: not a JSON object")
            yield number, row


def _unique(pairs: list[tuple[str, Any]]) -> TableRow:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a name occurs twice")
    return row


def _parquet(path: Path) -> Iterator[tuple[int, TableRow]]:
    import polars

    try:
        with path.open("rb") as file:  # polars may treat a path as a pattern or an address
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
        raise CorpusError(
            f"{path}, line {line}: contains zero bytes, so it is not text", "Save the file in the encoding UTF-8."
        )
    return text


_MARKS = {  # byte-order marks, the longest first
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SEPARATORS = (",", ";", "\t")
_DECLARATION = re.compile(r"\"?sep=([,;\t|])\"?(?=[\r\n])", re.IGNORECASE)
"""The first line in which Excel declares the separator."""

READERS: dict[str, Callable[[Path], Iterator[tuple[int, TableRow]]]] = {
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}
