"""``pcqtool report confusion``: draw a confusion matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import console, options
from pcqtool.cli.report.arguments import FigureSize, FigureTitle, RunPath
from pcqtool.errors import SettingsError
from pcqtool.json_format import JsonFormat

FigureOrTable = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="FILE", help="Figure (.svg, .png, .pdf) or table (.tex, .csv, .md, .json)."),
]


def confusion(
    run: RunPath,
    out: FigureOrTable = Path("confusion.svg"),
    title: FigureTitle = None,
    size: FigureSize = None,
    json: options.Json = False,
) -> None:
    """Draw the confusion matrix of a run (Figure 4).

    Each row is a true class: the percentage and the number of its files for each predicted class.
    """
    from pcqtool.evaluation.run_directory import read_run
    from pcqtool.report.confusion import check_confusion_path, confusion_matrix, confusion_table, draw_confusion
    from pcqtool.report.figure import parse_size
    from pcqtool.report.paper_table import is_table_path, write_table

    found = read_run(run)
    check_confusion_path(out)
    inches = parse_size(size)
    if inches is not None and is_table_path(out):
        raise SettingsError(f"--size is that of a figure, and {out} is a table", "Leave it out.")
    matrix = confusion_matrix(found)
    warning = found.metrics["leakage"] if found.metrics.get("leaks") else ""
    table = confusion_table(matrix, title or found.title, warning)
    kind = "table" if is_table_path(out) else "figure"
    if kind == "table":
        write_table(table, out)
    else:
        draw_confusion(matrix, title or found.title, out, inches)
    if json:
        console.print_json(JsonFormat.CONFUSION, {**table.document, kind: out})
        return
    shown = [(*list(row.values())[:-1], _percent(row["recall"])) for row in matrix.rows()]
    console.print_table(("true, predicted →", *matrix.labels, "recall"), shown)
    console.print_text("")
    console.print_fields({kind: out})


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.1f} %"
