"""``pcqtool report risk-coverage``: show what a minimum of confidence costs and gains."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import options
from pcqtool.cli.report.arguments import Figure, FigureSize, FigureTitle, print_rows
from pcqtool.json_format import JsonFormat


def risk_coverage(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Directories of 'pcqtool evaluate'.")],
    out: Figure = Path("risk-coverage.svg"),
    title: FigureTitle = None,
    size: FigureSize = None,
    json: options.Json = False,
) -> None:
    """Draw accuracy against coverage of one or several runs.

    It shows, for each minimum of confidence, the fraction of files that 'pcqtool label --min-confidence' would label,
    and the fraction of these labels that are correct. To choose a minimum, use runs on recordings like yours.
    """
    from pcqtool.evaluation.run_directory import read_run
    from pcqtool.report.figure import parse_size
    from pcqtool.report.risk_coverage import draw_risk_coverage, predictions_by_run

    found = [read_run(run) for run in runs]
    predictions = predictions_by_run(found)
    draw_risk_coverage(
        predictions, title or (found[0].title if len(found) == 1 else "Accuracy by coverage"), out, parse_size(size)
    )
    rows = [{"run": name, **asdict(each)} for name, some in predictions.items() for each in some.risk_coverage()]
    print_rows(JsonFormat.RISK_COVERAGE, rows, {"figure": out}, json)
