"""The normalised confusion matrix (the paper's Fig. 4, below)."""

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

_DARK = 0.65  # share from which white figures are read better than dark ones on the shade behind them


@dataclass(frozen=True)
class Confusion:
    """Who was taken for whom.

    Attributes:
        labels: the classes.
        counts: ``(L, L)``, ``[true][judged]``.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """The counts of each true class as shares ``(L, L)``; a class that does not occur has zeros."""
        import numpy as np

        said = self.counts.sum(axis=1, keepdims=True)
        return np.asarray(self.counts / np.maximum(said, 1), np.float64)

    def rows(self) -> list[dict[str, Any]]:
        """Give a row for each true class: its counts by judged class, and its recall."""
        return [
            {
                "true": label,
                **dict(zip(self.labels, (int(n) for n in counts), strict=True)),
                "recall": float(share[index]) if counts.sum() else None,
            }
            for index, (label, counts, share) in enumerate(zip(self.labels, self.counts, self.shares, strict=True))
        ]


def confusion(run: FinishedRun) -> Confusion:
    """Read a run's confusion matrix.

    Raises:
        ReportError: if the run holds no scores.
    """
    import numpy as np

    return Confusion(run.labels, np.array(run.pooled["confusion"], np.int64))


def draw_confusion(matrix: Confusion, title: str, path: Path) -> None:
    """Draw each true class as a row: the share in per cent that was judged to be each class, and the count.

    Raises:
        SettingsError, ReportError, FileError: as ``drawing``.
    """
    n = len(matrix.labels)
    with drawing(path, 2.4 + 0.82 * n, 1.9 + 0.72 * n) as figure:
        axes = figure.add_subplot()
        axes.imshow(matrix.shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
        _write_cells(axes, matrix)
        said = matrix.counts.sum(axis=1)
        axes.set_xticks(range(n), list(matrix.labels), rotation=30, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(n), [f"{label} ({count})" for label, count in zip(matrix.labels, said, strict=True)])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("judged\n(% of the true class, count below)")
        axes.set_ylabel("true (count)")
        headline(figure, title)


def _write_cells(axes: Axes, matrix: Confusion) -> None:
    shares = matrix.shares
    for row, counts in enumerate(matrix.counts):
        for column, count in enumerate(counts):
            if count:
                colour = "white" if shares[row, column] > _DARK else INK
                middle: dict[str, Any] = {"ha": "center", "color": colour}
                bold = "bold" if row == column else "normal"
                axes.text(column, row, f"{100 * shares[row, column]:.0f}", va="bottom", fontweight=bold, **middle)
                axes.text(column, row + 0.08, f"{count}", va="top", fontsize=10, **middle)
