"""The figure of accuracy against speed, with every system named beside its point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pcqtool.files.atomic import write_whole
from pcqtool.fingerprint import fingerprint
from pcqtool.report.figure import COLOURS, drawing

WIDTH, HEIGHT = 8.0, 5.0  # inches

# Places of a name beside its point, in points, the preferred ones first.
_PLACES = (
    *((8, 0, "left", "center"), (-8, 0, "right", "center"), (0, 8, "center", "bottom"), (0, -8, "center", "top")),
    *((8, 12, "left", "bottom"), (8, -12, "left", "top"), (-8, 12, "right", "bottom"), (-8, -12, "right", "top")),
    *((8, 26, "left", "bottom"), (8, -26, "left", "top"), (-8, 26, "right", "bottom"), (-8, -26, "right", "top")),
)


class SystemPoint(NamedTuple):
    """A system in the figure.

    Attributes:
        title: its name.
        speed: multiple of real time.
        ua: from 0 to 1.
        is_own: whether it is PCQ.
    """

    title: str
    speed: float
    ua: float
    is_own: bool


def draw(points: Sequence[SystemPoint], path: Path) -> None:
    """Draw the points, and note at the end of the SVG file which they are.

    Raises:
        ReportError: if matplotlib is not installed.
        FileError: if the file cannot be written.
    """
    with drawing(path, WIDTH, HEIGHT) as figure:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.ticker import LogLocator, NullLocator

        renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.set_xlim(min(each.speed for each in points) / 2, max(each.speed for each in points) * 2)
        low, high = min(each.ua for each in points), max(each.ua for each in points)
        axes.set_ylim(100 * low - 4, min(100.0, 100 * high + 4))
        axes.grid(True, which="major")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("labelling speed, × real time")
        axes.set_ylabel("UA on new speakers of EMO-DB, %")
        for each in points:
            axes.plot(each.speed, 100 * each.ua, "o" if each.is_own else "s", color=_colour(each), markersize=7)
        figure.draw_without_rendering()
        taken = [_around(axes.transData.transform((each.speed, 100 * each.ua)), 6.0) for each in points]
        for each in points:
            taken.append(_name(axes, each, taken, renderer))
    text = path.read_text(encoding="utf-8")
    write_whole(path, f"{text.rstrip()}\n{_note(points)}\n".encode())


def shows(path: Path, points: Sequence[SystemPoint]) -> bool:
    """Return whether a file was drawn from these points; another version of matplotlib may draw them differently."""
    return path.is_file() and _note(points) in path.read_text(encoding="utf-8")


def _note(points: Sequence[SystemPoint]) -> str:
    return f"<!-- drawn from {fingerprint([list(each) for each in points])} -->"


def _colour(point: SystemPoint) -> str:
    return COLOURS[1] if point.is_own else COLOURS[0]


def _around(centre: Any, half: float) -> Any:
    from matplotlib.transforms import Bbox

    x, y = centre
    return Bbox.from_extents(x - half, y - half, x + half, y + half)


def _name(axes: Any, point: SystemPoint, taken: Sequence[Any], renderer: Any) -> Any:
    """Write a name where it covers nothing and stays inside; return the box that it takes."""
    found = []
    for x, y, horizontal, vertical in _PLACES:
        text = axes.annotate(
            *(point.title, (point.speed, 100 * point.ua), (x, y)),
            textcoords="offset points",
            arrowprops={"arrowstyle": "-", "color": _colour(point), "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0},
            ha=horizontal,
            va=vertical,
            color=_colour(point),
            fontweight="bold" if point.is_own else "normal",
        )
        box = text.get_window_extent(renderer)
        inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 and axes.bbox.y0 <= box.y0 and box.y1 <= axes.bbox.y1
        n_covered = sum(box.overlaps(each) for each in taken)
        found.append((n_covered + (not inside), text, box))
        if found[-1][0] == 0:
            break
    best = min(found, key=lambda each: each[0])
    for _, text, _ in found:
        if text is not best[1]:
            text.remove()
    return best[2]
