"""Figures of studies: accuracy by depth (the paper's Fig. 3), and the effect of each part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcqtool.evaluation.run_directory import FinishedRun
from pcqtool.report.figure import COLOURS, FAINT, MARKERS, Size, drawing, headline

NAMES = {"wa": "WA", "ua": "UA"}


def draw_depth(study: Mapping[str, Any], title: str, path: Path, size: Size | None = None) -> None:
    """Draw WA and UA against the number of MLCNN's layers, with 95 % intervals over speakers.

    Raises:
        SettingsError, ReportError, FileError: as ``drawing``.
    """
    rows = sorted(study["variants"], key=lambda row: str(row["name"]))
    with drawing(path, *(size or (6.0, 4.2))) as figure:
        axes = figure.add_subplot()
        for number, (key, name) in enumerate(NAMES.items()):
            scores = [FinishedRun(row["name"], Path(), row).score(key) for row in rows]
            ticks = [tick + (number - 0.5) * 0.12 for tick in range(len(rows))]
            values = [100 * score.value for score in scores]
            ends = [score.interval or (score.value, score.value) for score in scores]
            axes.vlines(ticks, [100 * low for low, _ in ends], [100 * high for _, high in ends], color=COLOURS[number])
            axes.plot(ticks, values, marker=MARKERS[number], color=COLOURS[number], label=name, markersize=8)
            for tick, value in zip(ticks, values, strict=True):
                side: dict[str, Any] = {"ha": ("right", "left")[number], "color": COLOURS[number], "va": "bottom"}
                axes.annotate(f"{value:.1f}", (tick, value), ((-6, 6)[number], 2), textcoords="offset points", **side)
        axes.set_xticks(range(len(rows)), [row["name"].split()[0] for row in rows])
        axes.set_xlim(-0.5, len(rows) - 0.5)
        axes.set_xlabel("layers of MLCNN")
        axes.set_ylabel("accuracy, % (line: 95 % over speakers)")
        axes.grid(axis="y")
        figure.legend(loc="outside right upper")
        headline(figure, title)


def draw_differences(study: Mapping[str, Any], title: str, path: Path, size: Size | None = None) -> None:
    """Draw the differences in WA and UA from the first variant, with paired 95 % intervals.

    Raises:
        SettingsError, ReportError, FileError: as ``drawing``.
    """
    rows = study["variants"][1:]
    with drawing(path, *(size or (7.0, 1.9 + 0.62 * len(rows)))) as figure:
        axes = figure.add_subplot()
        axes.axvline(0.0, color=FAINT, linewidth=1.5)
        for number, (key, name) in enumerate(NAMES.items()):
            differences = [row["against_first"][key] for row in rows]
            ticks = [tick + (number - 0.5) * 0.26 for tick in range(len(rows))]
            values = [100 * each["difference"] for each in differences]
            ends = [each["interval"] or (each["difference"],) * 2 for each in differences]
            axes.hlines(ticks, [100 * low for low, _ in ends], [100 * high for _, high in ends], color=COLOURS[number])
            look: dict[str, Any] = {"marker": MARKERS[number], "color": COLOURS[number], "markersize": 8}
            axes.plot(values, ticks, linestyle="none", label=name, **look)
        axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(f"difference from {study['variants'][0]['name']}, points\n(line: 95 % over speakers, paired)")
        axes.grid(axis="x")
        figure.legend(loc="outside right upper")
        headline(figure, title)
