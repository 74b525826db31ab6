"""The emotions of a channel as a strip of cells of equal length, for a terminal or a page."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pcqtool.report.recording_result import TrackResult

MARK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
"""Seconds that may be between two time marks."""


@dataclass(frozen=True)
class StripCell:
    """One cell: the label that is most probable for most of its time, and whether most of that is in its events."""

    label: str
    is_event: bool


def emotion_strip(
    track: TrackResult, labels: tuple[str, ...], duration_s: float, n_cells: int
) -> list[StripCell | None]:
    """Divide a recording's time into cells, and find the emotion of each.

    Args:
        track: a channel or speaker.
        labels: the model's classes.
        duration_s: length of the recording in seconds.
        n_cells: number of cells, 1 or more.

    Returns:
        ``n_cells`` cells; None for a cell without a prediction, such as a pause.
    """
    import numpy as np

    if duration_s <= 0:
        return [None] * n_cells
    cell_s = duration_s / n_cells
    segments = _seconds(((s.start_s, s.end_s, s.label) for s in track.segments), labels, cell_s, n_cells)
    events = _seconds(((e.start_s, e.end_s, e.label) for e in track.events), labels, cell_s, n_cells)
    total = segments.sum(axis=1)
    segments *= (np.minimum(total, cell_s) / np.where(total > 0, total, 1.0))[:, None]  # segments may overlap
    best = (segments + events).argmax(axis=1)
    cells = np.arange(n_cells)
    is_event = (events[cells, best] > 0) & (2 * events[cells, best] >= segments.sum(axis=1))
    known = (segments + events).sum(axis=1) > 0
    return [
        StripCell(labels[label], bool(event)) if there else None
        for label, event, there in zip(best.tolist(), is_event, known, strict=True)
    ]


def mark_step_s(duration_s: float, n_cells: int, min_cells: int) -> int:
    """Return seconds between the time marks of a strip so that at least ``min_cells`` cells are between two."""
    wanted_s = duration_s / n_cells * min_cells
    whole_days_s = math.ceil(wanted_s / MARK_STEPS_S[-1]) * MARK_STEPS_S[-1]
    return next((step for step in MARK_STEPS_S if step >= wanted_s), whole_days_s)


def _seconds(
    spans: Iterable[tuple[float, float, str | None]], labels: tuple[str, ...], cell_s: float, n_cells: int
) -> NDArray[np.float64]:
    """Return the seconds of each label in each cell, ``(n_cells, L)``."""
    import numpy as np

    numbers = {label: number for number, label in enumerate(labels)}
    seconds = np.zeros((n_cells, len(labels)))
    edges = np.arange(n_cells + 1) * cell_s
    for start_s, end_s, label in spans:
        if label is None:
            continue
        first, last = int(start_s / cell_s), min(n_cells, math.ceil(end_s / cell_s))
        inside = np.minimum(edges[first + 1 : last + 1], end_s) - np.maximum(edges[first:last], start_s)
        seconds[first:last, numbers[label]] += np.maximum(inside, 0.0)
    return seconds
