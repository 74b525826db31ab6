"""The reliability diagram: accuracy of predictions against their confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.metrics.scores import N_BINS, calibration_error
from pcqtool.report.figure import COLOURS, FAINT, Size, drawing, headline, percent_axis

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from pcqtool.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Bin:
    """The ``n`` predictions with ``low`` < confidence ≤ ``high``: their mean confidence and their accuracy."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Reliability:
    """Accuracy of predictions by confidence.

    Attributes:
        bins: 15 bins of equal width, the same as for the expected calibration error.
        ece: the expected calibration error.
    """

    bins: tuple[Bin, ...]
    ece: float

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each bin."""
        return [asdict(each) for each in self.bins]


def reliability(predictions: Predictions) -> dict[str, Reliability]:
    """Return the reliability ``before`` and ``after`` the temperature is applied."""
    return {
        "before": _measure(predictions.uncalibrated, predictions.truth),
        "after": _measure(predictions.probabilities, predictions.truth),
    }


def _measure(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> Reliability:
    import numpy as np

    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bin_of_each = np.clip(np.ceil(confidence * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    bins = []
    for number in range(N_BINS):
        inside = bin_of_each == number
        n = int(inside.sum())
        means = (float(confidence[inside].mean()), float(correct[inside].mean())) if n else (None, None)
        bins.append(Bin(number / N_BINS, (number + 1) / N_BINS, n, *means))
    return Reliability(tuple(bins), calibration_error(confidence, correct))


def draw_reliability(found: Mapping[str, Reliability], title: str, path: Path, size: Size | None = None) -> None:
    """Draw accuracy against confidence with the gap to the diagonal, and a histogram of confidences below.

    Raises:
        SettingsError, ReportError, FileError: as ``drawing``.
    """
    with drawing(path, *(size or (5.6, 7.2))) as figure:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot((0, 1), (0, 1), color=FAINT, linestyle="--", linewidth=1.5, label="perfect calibration")
        _draw_before(above, found["before"])
        _draw_after(above, found["after"])
        above.set_ylim(-0.02, 1.03)
        above.set_ylabel("accuracy, %")
        percent_axis(above, "y")
        bins = found["after"].bins
        below.bar(
            [(each.low + each.high) / 2 for each in bins], [each.n for each in bins], 0.9 / N_BINS, color=COLOURS[0]
        )
        below.set_ylabel("predictions")
        below.set_xlabel("confidence, % (15 bins of equal width)")
        percent_axis(below, "x")
        below.set_xlim(0.0, 1.02)
        figure.align_ylabels()
        figure.legend(loc="outside lower left", title="marker area: number of predictions", alignment="left")
        headline(figure, title)


def _draw_after(axes: Axes, found: Reliability) -> None:
    x, y, areas = _points(found.bins)
    axes.vlines(x, x, y, color=COLOURS[0], linewidth=2.5, label="gap, whose weighted mean is the ECE")
    axes.scatter(x, y, areas, color=COLOURS[0], zorder=3, label=f"after temperature, ECE {found.ece:.3f}")


def _draw_before(axes: Axes, found: Reliability) -> None:
    x, y, areas = _points(found.bins)
    look: dict[str, Any] = {"facecolors": "none", "edgecolors": COLOURS[1], "linewidths": 1.5}
    axes.scatter(x, y, areas, marker="s", label=f"before temperature, ECE {found.ece:.3f}", **look)


def _points(bins: Sequence[Bin]) -> tuple[list[float], list[float], list[float]]:
    """Return confidences, accuracies and marker areas, which grow with the number of predictions."""
    points = [(each.confidence, each.accuracy, each.n) for each in bins]
    known = [(x, y, n) for x, y, n in points if x is not None and y is not None]
    largest = max(n for *_, n in known)
    return [x for x, *_ in known], [y for _, y, _ in known], [15 + 130 * n / largest for *_, n in known]
