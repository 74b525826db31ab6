"""The reliability diagram: is the model right as often as it is sure?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.metrics.scores import N_BINS, calibration_error
from pcqtool.report.figure import COLOURS, FAINT, drawing, headline, percent_axis

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from pcqtool.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Bin:
    """Predictions that are about as sure: ``low`` < confidence ≤ ``high``; mean confidence and accuracy of ``n``."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Reliability:
    """How sure predictions are against how right.

    Attributes:
        bins: 15 of equal width, as the expected calibration error has them.
        ece: the expected calibration error.
    """

    bins: tuple[Bin, ...]
    ece: float

    def rows(self) -> list[dict[str, Any]]:
        """Give a row for each bin."""
        return [asdict(each) for each in self.bins]


def reliability(predictions: Predictions) -> dict[str, Reliability]:
    """Compute it for the calibrated probabilities, ``after`` the temperature, and for those ``before``."""
    return {
        "before": _measure(predictions.uncalibrated, predictions.truth),
        "after": _measure(predictions.probabilities, predictions.truth),
    }


def _measure(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> Reliability:
    import numpy as np

    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    place = np.clip(np.ceil(sure * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    bins = []
    for number in range(N_BINS):
        inside = place == number
        n = int(inside.sum())
        means = (float(sure[inside].mean()), float(right[inside].mean())) if n else (None, None)
        bins.append(Bin(number / N_BINS, (number + 1) / N_BINS, n, *means))
    return Reliability(tuple(bins), calibration_error(sure, right))


def draw_reliability(found: Mapping[str, Reliability], title: str, path: Path) -> None:
    """Draw accuracy against confidence with the gap to the diagonal, and below how many predictions are how sure.

    Raises:
        SettingsError, ReportError, FileError: as ``drawing``.
    """
    with drawing(path, 5.6, 7.2) as figure:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot((0, 1), (0, 1), color=FAINT, linestyle="--", linewidth=1.5, label="as right as sure")
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
        figure.legend(loc="outside lower left")
        headline(figure, title)


def _draw_after(axes: Axes, found: Reliability) -> None:
    sure, right, sizes = _points(found.bins)
    axes.vlines(sure, sure, right, color=COLOURS[0], linewidth=2.5)
    axes.scatter(sure, right, sizes, color=COLOURS[0], zorder=3, label=f"after temperature, ECE {found.ece:.3f}")


def _draw_before(axes: Axes, found: Reliability) -> None:
    sure, right, sizes = _points(found.bins)
    look: dict[str, Any] = {"facecolors": "none", "edgecolors": COLOURS[1], "linewidths": 1.5}
    axes.scatter(sure, right, sizes, marker="s", label=f"before temperature, ECE {found.ece:.3f}", **look)


def _points(bins: Sequence[Bin]) -> tuple[list[float], list[float], list[float]]:
    """Give confidences, accuracies and areas of the marks, which grow with the number of predictions."""
    full = [(each.confidence, each.accuracy, each.n) for each in bins]
    known = [(sure, right, n) for sure, right, n in full if sure is not None and right is not None]
    most = max(n for *_, n in known)
    return [sure for sure, *_ in known], [right for _, right, _ in known], [15 + 130 * n / most for *_, n in known]
