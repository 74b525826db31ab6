"""Tables for papers: LaTeX with booktabs, CSV, GitHub's Markdown and JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcqtool.errors import SettingsError
from pcqtool.files.atomic import write_whole

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "→": r"$\rightarrow$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_MINUS = re.compile(r"(?<![\w-])-(?=\d)")
_NUMBER = re.compile(r"[+-]?\d")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~&])")


@dataclass(frozen=True)
class PaperTable:
    """A table, as readers see it and as numbers.

    Attributes:
        title: what it shows.
        columns: headings.
        rows: a cell of text for each heading.
        notes: sentences below the table.
        records: the rows as numbers, for CSV; all have the same keys.
        document: the JSON object, whose first key is ``schema``.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]
    records: Sequence[Mapping[str, Any]]
    document: Mapping[str, Any]


def is_table_path(path: Path) -> bool:
    """Return whether a file's suffix is one of ``TABLE_SUFFIXES``."""
    return path.suffix.lower() in TABLE_SUFFIXES


def check_table_path(path: Path | None) -> None:
    """Check a table's file name before anything is computed; None means no table.

    Raises:
        SettingsError: if the suffix is not one of ``TABLE_SUFFIXES``.
    """
    if path is not None and not is_table_path(path):
        raise SettingsError(
            f"{path}: a table's name must end in {', '.join(TABLE_SUFFIXES)}", "For example: --out table.tex"
        )


def write_table(table: PaperTable, path: Path) -> None:
    """Write a table in the format of the file's suffix.

    Raises:
        SettingsError: if the suffix is not one of ``TABLE_SUFFIXES``.
        FileError: if the file cannot be written.
    """
    check_table_path(path)
    write_whole(path, _FORMATS[path.suffix.lower()](table).encode("utf-8"))


def latex(table: PaperTable) -> str:
    """Return LaTeX: a ``tabular`` with booktabs, and the notes below it."""
    aligned = "".join("r" if _is_numeric(column) else "l" for column in zip(*table.rows, strict=True))
    lines = [
        f"% {_one_line(table.title)}; needs \\usepackage{{booktabs}}",
        f"\\begin{{tabular}}{{{aligned}}}",
        r"\toprule",
        _latex_row(table.columns),
        r"\midrule",
        *map(_latex_row, table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    if table.notes:
        lines += ["", "{\\footnotesize", *(f"{latex_text(note)}\\par" for note in table.notes), "}"]
    return "\n".join(lines) + "\n"


def markdown(table: PaperTable) -> str:
    """Return a table of GitHub's Markdown, and the notes below it."""
    aligned = ("--:" if _is_numeric(column) else "---" for column in zip(*table.rows, strict=True))
    lines = [_markdown_row(table.columns), f"| {' | '.join(aligned)} |", *map(_markdown_row, table.rows)]
    for note in table.notes:
        lines += ["", markdown_text(note)]
    return "\n".join(lines) + "\n"


def csv_text(table: PaperTable) -> str:
    """Return comma-separated numbers with all digits; an empty cell has no value."""
    written = io.StringIO()
    writer = csv.DictWriter(written, list(table.records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.records)
    return written.getvalue()


def latex_text(text: str) -> str:
    """Escape text for LaTeX; a minus before a number becomes a minus sign."""
    pieces = ("".join(_LATEX.get(character, character) for character in part) for part in _MINUS.split(_one_line(text)))
    return "$-$".join(pieces)


def markdown_text(text: str) -> str:
    """Escape text for a cell of Markdown."""
    return _MARKDOWN.sub(r"\\\1", _one_line(text))


def _json(table: PaperTable) -> str:
    return json.dumps(table.document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(latex_text(cell) for cell in cells) + r" \\"


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(markdown_text(cell) for cell in cells)} |"


def _is_numeric(cells: Sequence[str]) -> bool:
    given = [cell for cell in cells if cell]
    return bool(given) and all(_NUMBER.match(cell) for cell in given)


def _one_line(text: str) -> str:
    return " ".join(text.split())


_FORMATS: Mapping[str, Callable[[PaperTable], str]] = {
    ".tex": latex,
    ".csv": csv_text,
    ".md": markdown,
    ".json": _json,
}

TABLE_SUFFIXES = tuple(_FORMATS)
