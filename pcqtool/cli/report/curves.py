"""``pcqtool report curves``: draw learning curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import options
from pcqtool.cli.report.arguments import Figure, FigureSize, FigureTitle, print_rows
from pcqtool.json_format import JsonFormat


def curves(
    run: Annotated[Path, typer.Argument(metavar="MODEL|RUN", help="Directory of a model or of an evaluation.")],
    out: Figure = Path("curves.svg"),
    title: FigureTitle = None,
    size: FigureSize = None,
    json: options.Json = False,
) -> None:
    """Draw the learning curves of a training run.

    They show losses, and accuracy on the validation part, by epoch. The validation part chose the epoch, so its
    accuracy is not a test result.
    """
    from pcqtool.evaluation.run_directory import read_run
    from pcqtool.report import curves as report
    from pcqtool.report.figure import parse_size

    found = read_run(run)
    rows = report.summarise_curves(found)
    report.draw_curves(found, title or found.title, out, parse_size(size))
    print_rows(JsonFormat.CURVES, rows, {"figure": out}, json)
