"""``pcqtool report confusion``: who was taken for whom."""

from __future__ import annotations

from pathlib import Path

from pcqtool.cli.common import console, options
from pcqtool.cli.report.arguments import Figure, RunPlace


def confusion(run: RunPlace, out: Figure = Path("confusion.svg"), json: options.Json = False) -> None:
    """Draw the normalised confusion matrix of a run (the paper's Fig. 4).

    Each row is a true class: the share of its files that was judged to be each class, and their number.
    """
    from pcqtool.evaluation.run_directory import read_run
    from pcqtool.report import confusion as report

    found = read_run(run)
    matrix = report.confusion(found)
    report.draw_confusion(matrix, found.title, out)
    rows = matrix.rows()
    if json:
        console.print_json({"rows": rows, "figure": out})
        return
    shown = [(*list(row.values())[:-1], _percent(row["recall"])) for row in rows]
    console.print_table(("true, judged →", *matrix.labels, "recall"), shown)
    console.print_text("")
    console.print_fields({"figure": out})


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
