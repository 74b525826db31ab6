"""``pcqtool report reliability``: is the model right as often as it is sure?"""

from __future__ import annotations

from pathlib import Path

from pcqtool.cli.common import options
from pcqtool.cli.report.arguments import Figure, RunPlace, show


def reliability(run: RunPlace, out: Figure = Path("reliability.svg"), json: options.Json = False) -> None:
    """Draw the reliability diagram of a run's out-of-fold predictions, with their histogram.

    The expected calibration error is the mean gap between confidence and accuracy, before and after the temperature.
    """
    from pcqtool.evaluation.run_directory import read_run
    from pcqtool.report import reliability as report

    found = read_run(run)
    computed = report.reliability(found.predictions)
    report.draw_reliability(computed, found.title, out)
    errors = {"ECE": computed["after"].ece, "ECE before temperature": computed["before"].ece}
    show(computed["after"].rows(), {**errors, "figure": out}, json)
