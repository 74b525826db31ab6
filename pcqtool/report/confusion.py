"""The normalised confusion matrix (the paper's Fig. 4, lower half)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.evaluation.run_directory import FinishedRun
from pcqtool.report.figure import INK, drawing, headline

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_DARK = 0.65  # fraction above which white text is more legible than dark text on the cell's shade


@dataclass(frozen=True)
class ConfusionMatrix:
    """Counts of true and predicted classes.

    Attributes:
        labels: the L classes.
        counts: ``(L, L)``, ``[true][predicted]``.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def fractions(self) -> NDArray[np.float64]:
        """Counts divided by their row's sum, ``(L, L)``; zeros for a class that does not occur."""
        import numpy as np

        totals = self.counts.sum(axis=1, keepdims=True)
        return np.asarray(self.counts / np.maximum(totals, 1), np.float64)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each true class: its counts by predicted class, and its recall."""
        return [
            {
                "true": label,
                **dict(zip(self.labels, (int(n) for n in counts), strict=True)),
                "recall": float(row[index]) if counts.sum() else None,
            }
            for index, (label, counts, row) in enumerate(zip(self.labels, self.counts, self.fractions, strict=True))
        ]


def confusion_matrix(run: FinishedRun) -> ConfusionMatrix:
    """Return a run's confusion matrix.

    Raises:
        ReportError: if the run has no scores.
    """
    import numpy as np

    return ConfusionMatrix(run.labels, np.array(run.pooled["confusion"], np.int64))


def draw_confusion(matrix: ConfusionMatrix, title: str, path: Path) -> None:
    """Draw each true class as a row: the percentage and the count of each predicted class.

    Raises:
        SettingsError, ReportError, FileError: as ``drawing``.
    """
    n = len(matrix.labels)
    with drawing(path, 2.4 + 0.82 * n, 1.9 + 0.72 * n) as figure:
        axes = figure.add_subplot()
        axes.imshow(matrix.fractions, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
        _write_cells(axes, matrix)
        totals = matrix.counts.sum(axis=1)
        axes.set_xticks(range(n), list(matrix.labels), rotation=30, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(n), [f"{label} ({count})" for label, count in zip(matrix.labels, totals, strict=True)])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("predicted\n(% of the true class, count below)")
        axes.set_ylabel("true (count)")
        headline(figure, title)


def _write_cells(axes: Axes, matrix: ConfusionMatrix) -> None:
    fractions = matrix.fractions
    for row, counts in enumerate(matrix.counts):
        for column, count in enumerate(counts):
            if count:
                colour = "white" if fractions[row, column] > _DARK else INK
                look: dict[str, Any] = {"ha": "center", "color": colour}
                weight = "bold" if row == column else "normal"
                axes.text(column, row, f"{100 * fractions[row, column]:.0f}", va="bottom", fontweight=weight, **look)
                axes.text(column, row + 0.08, f"{count}", va="top", fontsize=10, **look)
