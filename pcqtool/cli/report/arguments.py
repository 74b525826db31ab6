"""Arguments and output that several reports share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pcqtool.cli.common import console
from pcqtool.json_format import JsonFormat

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Directory of 'pcqtool evaluate', or its metrics.json.")]

Figure = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The figure: .svg, .png or .pdf.")]

FigureTitle = Annotated[str | None, typer.Option("--title", metavar="TEXT", help="Title instead of the usual one.")]

FigureSize = Annotated[
    str | None, typer.Option("--size", metavar="WxH", help="Width and height in centimetres, such as 12x9.")
]


def print_rows(
    schema: JsonFormat, rows: Sequence[Mapping[str, Any]], fields: Mapping[str, object], as_json: bool
) -> None:
    """Print rows as a table with fields below it, or everything as one JSON object."""
    if as_json:
        console.print_json(schema, {"rows": rows, **fields})
        return
    console.print_table(tuple(rows[0]), [tuple(_cell(value) for value in row.values()) for row in rows])
    console.print_text("")
    console.print_fields({name: _cell(value) for name, value in fields.items()})


def _cell(value: object) -> object:
    """Round a number for people; JSON has all digits."""
    return f"{value:.3f}" if isinstance(value, float) else value
