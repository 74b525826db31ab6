"""The look of all figures, and files that are identical whenever the same figure is drawn.

matplotlib is an optional dependency. pyplot is not used, so that a figure is an ordinary object and not process state.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.errors import ReportError, SettingsError
from pcqtool.files.atomic import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

Size = tuple[float, float]
"""Width and height in inches."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*[x×]\s*(\d+(?:\.\d+)?)")

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
    """Write the title above a figure, in as many lines as its width needs."""
    from matplotlib.font_manager import FontProperties

    font = FontProperties(size=13, weight="bold")
    lines = wrapped(title, 72 * 0.97 * figure.get_figwidth(), font)
    figure.suptitle("\n".join(lines), fontproperties=font, x=0.01, ha="left", parse_math=False)


def wrapped(text: str, width: float, font: FontProperties) -> list[str]:
    """Break text into lines of at most ``width`` points: between words, or within a word that is too long."""
    from matplotlib.textpath import TextToPath

    measure = TextToPath().get_text_width_height_descent
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if measure(longer, font, False)[0] <= width:
            lines[-1] = longer
            continue
        lines += [""] if lines[-1] else []
        for character in word:
            if lines[-1] and measure(lines[-1] + character, font, False)[0] > width:
                lines.append("")
            lines[-1] += character
    return lines


def parse_size(text: str | None) -> Size | None:
    """Return the size in inches of ``WxH`` in centimetres, such as ``8.4x6``; None for None.

    Raises:
        SettingsError: if the text is not two numbers from 3 to 100.
    """
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip())
    width, height = (float(number) for number in found.groups()) if found else (0.0, 0.0)
    if not (3 <= width <= 100 and 3 <= height <= 100):
        raise SettingsError(
            f"{text!r} is not the size of a figure: width x height in centimetres, from 3 to 100", "For example: 12x9"
        )
    return width / 2.54, height / 2.54
