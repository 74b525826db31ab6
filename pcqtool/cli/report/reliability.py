"""``pcqtool report reliability``: compare confidence with accuracy."""

from __future__ import annotations

from pathlib import Path

from pcqtool.cli.common import options
from pcqtool.cli.report.arguments import Figure, FigureSize, FigureTitle, RunPath, print_rows
from pcqtool.json_format import JsonFormat


def reliability(
    run: RunPath,
    out: Figure = Path("reliability.svg"),
    title: FigureTitle = None,
    size: FigureSize = None,
    json: options.Json = False,
) -> None:
    """Draw the reliability diagram of a run.

    It shows out-of-fold predictions with their histogram. The expected calibration error is the mean gap between
    confidence and accuracy, before and after the temperature.
    """
    from pcqtool.evaluation.run_directory import read_run
    from pcqtool.report import reliability as report
    from pcqtool.report.figure import parse_size

    found = read_run(run)
    computed = report.reliability(found.predictions)
    report.draw_reliability(computed, title or found.title, out, parse_size(size))
    errors = {"ece": computed["after"].ece, "ece_uncalibrated": computed["before"].ece}
    print_rows(JsonFormat.RELIABILITY, computed["after"].rows(), {**errors, "figure": out}, json)
