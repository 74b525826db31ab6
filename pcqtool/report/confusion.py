"""The normalised confusion matrix (the paper's Fig. 4, lower half)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.errors import SettingsError
from pcqtool.evaluation.run_directory import FinishedRun
from pcqtool.json_format import JsonFormat
from pcqtool.report.figure import INK, SUFFIXES, Size, drawing, headline
from pcqtool.report.paper_table import TABLE_SUFFIXES, PaperTable, is_table_path

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


def draw_confusion(matrix: ConfusionMatrix, title: str, path: Path, size: Size | None = None) -> None:
    """Draw each true class as a row: the percentage and the count of each predicted class.

    Raises:
        SettingsError, ReportError, FileError: as ``drawing``.
    """
    n = len(matrix.labels)
    with drawing(path, *(size or (2.4 + 0.82 * n, 1.9 + 0.72 * n))) as figure:
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


def check_confusion_path(path: Path) -> None:
    """Check the name of a file for a confusion matrix, which is a figure or a table.

    Raises:
        SettingsError: if the suffix is not one of either.
    """
    if path.suffix.lower() not in SUFFIXES and not is_table_path(path):
        raise SettingsError(
            f"{path}: the name must end in {', '.join(SUFFIXES)} for a figure, "
            f"or {', '.join(TABLE_SUFFIXES)} for a table",
            "For example: --out confusion.svg",
        )


def confusion_table(matrix: ConfusionMatrix, title: str, warning: str = "") -> PaperTable:
    """Return the matrix as a table for a paper: counts, and the recall of each class.

    Args:
        matrix: the counts.
        title: what the table shows.
        warning: a sentence that readers of the figures need; empty for none.
    """
    rows = matrix.rows()
    recalls = [row["recall"] for row in rows]
    cells = [
        (label, *map(str, counts.tolist()), "" if recall is None else f"{100 * recall:.1f}")
        for label, counts, recall in zip(matrix.labels, matrix.counts, recalls, strict=True)
    ]
    return PaperTable(
        title=title,
        columns=("true, predicted →", *matrix.labels, "recall, %"),
        rows=cells,
        notes=[f"{title}. Counts of files; rows are true classes.", *([f"Warning: {warning}"] if warning else [])],
        records=rows,
        document={
            "schema": JsonFormat.CONFUSION,
            "title": title,
            "labels": matrix.labels,
            "counts": matrix.counts.tolist(),
            "recall": dict(zip(matrix.labels, recalls, strict=True)),
            "warning": warning or None,
        },
    )


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
