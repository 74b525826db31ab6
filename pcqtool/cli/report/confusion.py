"""``pcqtool report confusion``: draw a confusion matrix."""

from __future__ import annotations

from pathlib import Path

from pcqtool.cli.common import console, options
from pcqtool.cli.report.arguments import Figure, RunPath


def confusion(run: RunPath, out: Figure = Path("confusion.svg"), json: options.Json = False) -> None:
    """Draw the confusion matrix of a run (Figure 4).

    Each row is a true class: the percentage and the number of its files for each predicted class.
    """
    from pcqtool.evaluation.run_directory import read_run
    from pcqtool.report.confusion import confusion_matrix, draw_confusion

    found = read_run(run)
    matrix = confusion_matrix(found)
    draw_confusion(matrix, found.title, out)
    rows = matrix.rows()
    if json:
        console.print_json({"rows": rows, "figure": out})
        return
    shown = [(*list(row.values())[:-1], _percent(row["recall"])) for row in rows]
    console.print_table(("true, predicted →", *matrix.labels, "recall"), shown)
    console.print_text("")
    console.print_fields({"figure": out})


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.1f} %"
