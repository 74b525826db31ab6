"""What all figures have in common: their look, and files that are the same at every run.

matplotlib is an extra, and pyplot is left alone: a figure here is an object like any other, no state of the process.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.errors import ReportError, SettingsError
from pcqtool.files.atomic import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C")
"""Okabe and Ito's, told apart by colour-blind readers too; the yellow, too pale for lines, is a grey here."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""A shape for each colour, for print without colours."""

INK, FAINT = "#222222", "#BBBBBB"

SUFFIXES = (".svg", ".png", ".pdf")

_LOOK: Any = {
    "font.family": "sans-serif",
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "svg.fonttype": "none",  # text stays text: light, and it can be searched for
    "svg.hashsalt": "pcqtool",
}
_METADATA: dict[str, dict[str, None]] = {
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def drawing(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Give a figure to draw on; it is written when the block ends well.

    The same drawing makes the same bytes: no dates, no random names, no version in it.

    Args:
        path: of the file; its suffix decides the format.
        width: in inches, at 72 units each in SVG and 150 pixels in PNG.
        height: in inches.

    Raises:
        SettingsError: if the suffix is none of ``SUFFIXES``.
        ReportError: if matplotlib is not installed.
        FileError: if the file cannot be written.
    """
    check_path(path)
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    suffix = path.suffix.lower()
    with rc_context(_LOOK):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        drawn = io.BytesIO()
        figure.savefig(drawn, format=suffix[1:], dpi=150, metadata=_METADATA[suffix])
    write_whole(path, drawn.getvalue())


def check_path(path: Path | None) -> None:
    """Refuse a file name that says no format, before anything is computed; None is no figure.

    Raises:
        SettingsError: if the suffix is none of ``SUFFIXES``.
    """
    if path is not None and path.suffix.lower() not in SUFFIXES:
        raise SettingsError(f"{path}: a figure ends in {', '.join(SUFFIXES)}", "For example: --out figure.svg")


def require_matplotlib() -> None:
    """Say what to install, where matplotlib is missing.

    Raises:
        ReportError: if it is.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ReportError("figures need matplotlib, which is not installed", 'pip install "pcqtool[report]"') from error


def percent_axis(axes: Axes, which: str) -> None:
    """Write an axis of shares from 0 to 1 in per cent."""
    from matplotlib.ticker import PercentFormatter

    getattr(axes, f"{which}axis").set_major_formatter(PercentFormatter(xmax=1.0, symbol=""))


def headline(figure: Figure, title: str) -> None:
    """Write what a figure is about above it."""
    figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
