"""The risk-coverage figure: accuracy of the labels that a minimum of confidence leaves, by their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.errors import SettingsError
from pcqtool.metrics.risk_coverage import THRESHOLDS, Coverage
from pcqtool.report.figure import COLOURS, MARKERS, Size, drawing, headline, percent_axis

if TYPE_CHECKING:
    from pcqtool.evaluation.predictions import Predictions
    from pcqtool.evaluation.run_directory import FinishedRun

_FINE = tuple(number / 200 for number in range(201))  # thresholds of the line


def predictions_by_run(runs: Sequence[FinishedRun]) -> dict[str, Predictions]:
    """Return the predictions of some runs by a short name that tells the runs apart.

    Raises:
        SettingsError: if there are more runs than colours, or one is named twice.
        TableError: if a run has no predictions.
    """
    if len(runs) > len(COLOURS):
        raise SettingsError(f"{len(runs)} runs are too many for one figure", f"Name {len(COLOURS)} at most.")
    for names in ([run.name for run in runs], [run.title for run in runs], [str(run.path.parent) for run in runs]):
        if len(set(names)) == len(runs):
            return {name: run.predictions for name, run in zip(names, runs, strict=True)}
    raise SettingsError("a run is named twice", "Name each run once.")


def draw_risk_coverage(runs: Mapping[str, Predictions], title: str, path: Path, size: Size | None = None) -> None:
    """Draw accuracy against coverage: a line for each run, with markers at the usual thresholds.

    Args:
        runs: predictions by the name of their run, eight runs at most.
        title: the figure's title.
        path: the file.
        size: width and height in inches; None for the usual size.

    Raises:
        SettingsError, ReportError, FileError: as ``drawing``.
    """
    with drawing(path, *(size or (6.4, 4.6))) as figure:
        axes = figure.add_subplot()
        for (name, predictions), colour, marker in zip(runs.items(), COLOURS, MARKERS, strict=False):
            axes.plot(*_points(predictions.risk_coverage(_FINE)), color=colour)
            marked = predictions.risk_coverage(THRESHOLDS)
            look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 7}
            axes.plot(*_points(marked), linestyle="none", label=name, **look)
            for each in marked:
                if each.accuracy is not None:
                    place = (each.coverage, each.accuracy)
                    axes.annotate(
                        f"{each.min_confidence:g}", place, (5, 5), textcoords="offset points", color=colour, fontsize=9
                    )
        axes.set_xlim(0.0, 1.06)
        axes.set_xlabel("coverage: files that keep a label, %")
        axes.set_ylabel("accuracy of these labels, %")
        axes.grid(axis="y")
        for which in ("x", "y"):
            percent_axis(axes, which)
        figure.legend(loc="outside lower left", title="markers: minimum of confidence")
        headline(figure, title)


def _points(found: tuple[Coverage, ...]) -> tuple[list[float], list[float]]:
    """Return the coverages and accuracies where there are any labels."""
    known = [(each.coverage, each.accuracy) for each in found if each.accuracy is not None]
    return [coverage for coverage, _ in known], [accuracy for _, accuracy in known]
