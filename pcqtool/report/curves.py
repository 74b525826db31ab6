"""Learning curves: losses and validation accuracies by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.evaluation.run_directory import Curve, FinishedRun
from pcqtool.report.figure import COLOURS, INK, Size, drawing, headline, percent_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def best_epoch(curve: Curve) -> int:
    """Return the number of the epoch that was kept: the one with the smallest validation loss."""
    return int(min(curve, key=lambda epoch: epoch["validation_loss"])["number"])


def summarise_curves(run: FinishedRun) -> list[dict[str, Any]]:
    """Return a row for each training run: its epochs, the best epoch, and the losses and accuracies of that epoch.

    Raises:
        ReportError: if the run has no history.
    """
    rows = []
    for name, curve in run.curves.items():
        best = curve[best_epoch(curve) - 1]
        rows.append({"fold": name, "epochs": len(curve), "best_epoch": best_epoch(curve)})
        rows[-1] |= {key: best[key] for key in ("loss", "validation_loss", "validation_wa", "validation_ua")}
    return rows


def draw_curves(run: FinishedRun, title: str, path: Path, size: Size | None = None) -> None:
    """Draw losses beside validation accuracies: one line for one training run, thin lines and a mean for several.

    Raises:
        ReportError: if the run has no history, or matplotlib is not installed.
        SettingsError, FileError: as ``drawing``.
    """
    curves = list(run.curves.values())
    with drawing(path, *(size or (9.0, 3.8))) as figure:
        left, right = figure.subplots(1, 2)
        for axes, names in (
            (left, {"loss": "training", "validation_loss": "validation"}),
            (right, {"validation_wa": "WA", "validation_ua": "UA"}),
        ):
            for number, (key, label) in enumerate(names.items()):
                _draw(axes, curves, key, label, number)
            axes.set_xlabel("epoch")
            axes.grid(axis="y")
            axes.legend(loc="best")
        if len(curves) == 1:
            _mark_kept_epoch(left, right, best_epoch(curves[0]))
        left.set_yscale("log")
        _use_plain_numbers(left)
        left.set_ylabel("loss, nats (log scale)")
        right.set_ylabel("validation accuracy, %")
        percent_axis(right, "y")
        headline(figure, title)


def _draw(axes: Axes, curves: list[Curve], key: str, label: str, number: int) -> None:
    colour, style = COLOURS[number], ("-", "--")[number]
    for curve in curves if len(curves) > 1 else ():
        axes.plot([e["number"] for e in curve], [e[key] for e in curve], color=colour, linewidth=0.7, alpha=0.35)
    longest = max(map(len, curves))
    # A finished run keeps its last value, so that the mean does not jump where a run ends.
    means = [sum(curve[min(i, len(curve) - 1)][key] for curve in curves) / len(curves) for i in range(longest)]
    name = label if len(curves) == 1 else f"{label}, mean of {len(curves)}"
    axes.plot(range(1, longest + 1), means, color=colour, linestyle=style, label=name)


def _mark_kept_epoch(left: Axes, right: Axes, epoch: int) -> None:
    """Mark the epoch that was kept."""
    for axes in (left, right):
        axes.axvline(epoch, color=INK, linewidth=1.0, linestyle=":", label=f"kept: epoch {epoch}")
        axes.legend(loc="best")


def _use_plain_numbers(axes: Axes) -> None:
    """Label a logarithmic axis with plain numbers: 0.5, 1, 2."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
