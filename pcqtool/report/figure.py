"""The look of all figures, and files that are identical whenever the same figure is drawn.

matplotlib is an optional dependency. pyplot is not used, so that a figure is an ordinary object and not process state.
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
"""Colours of Okabe and Ito, which colour-blind readers can distinguish; grey replaces yellow, too pale for lines."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""A shape for each colour, for black-and-white prints."""

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
    "svg.fonttype": "none",  # text stays text: small files that can be searched
    "svg.hashsalt": "pcqtool",
}
_METADATA: dict[str, dict[str, None]] = {
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def drawing(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Provide a figure to draw on, and write it when the block ends without an error.

    The same drawing gives the same bytes: the file has no date, random name or version.

    Args:
        path: the file; its suffix sets the format.
        width: in inches, at 72 units each in SVG and 150 pixels in PNG.
        height: in inches.

    Raises:
        SettingsError: if the suffix is not one of ``SUFFIXES``.
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
    """Check a figure's file name before anything is computed; None means no figure.

    Raises:
        SettingsError: if the suffix is not one of ``SUFFIXES``.
    """
    if path is not None and path.suffix.lower() not in SUFFIXES:
        raise SettingsError(
            f"{path}: a figure's name must end in {', '.join(SUFFIXES)}", "For example: --out figure.svg"
        )


def require_matplotlib() -> None:
    """Check that matplotlib is installed.

    Raises:
        ReportError: if it is missing; the hint names what to install.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ReportError("figures need matplotlib, which is not installed", 'pip install "pcqtool[report]"') from error


def percent_axis(axes: Axes, which: str) -> None:
    """Label an axis of fractions from 0 to 1 in per cent."""
    from matplotlib.ticker import PercentFormatter

    getattr(axes, f"{which}axis").set_major_formatter(PercentFormatter(xmax=1.0, symbol=""))


def headline(figure: Figure, title: str) -> None:
    """Write the title above a figure."""
    figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
