"""``pcqtool report curves``: how a training run went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pcqtool.cli.common import options
from pcqtool.cli.report.arguments import Figure, show


def curves(
    run: Annotated[
        Path, typer.Argument(metavar="MODEL|RUN", help="A model's directory, or a run whose folds kept their history.")
    ],
    out: Figure = Path("curves.svg"),
    json: options.Json = False,
) -> None:
    """Draw the learning curves: losses, and accuracy on the validation part, by epoch.

    The validation part chose the epoch, so its accuracy is not a test.
    """
    from pcqtool.evaluation.run_directory import read_run
    from pcqtool.report import curves as report

    found = read_run(run)
    rows = report.summarise_curves(found)
    report.draw_curves(found, found.title, out)
    show(rows, {"figure": out}, json)
