from __future__ import annotations

import polars as pl

from benchmarks.finer_time import CUTS, NO_SPEECH, predicted_labels
from pcqtool.audio.reader import ReaderOptions

LABELS = ("anger", "neutral")


def segments(*rows: tuple[float, float, float | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "start_s": [a for a, _, _ in rows],
            "end_s": [b for _, b, _ in rows],
            "confidence": [None if p is None else max(p, 1 - p) for _, _, p in rows],
            "prob_anger": [p for _, _, p in rows],
            "prob_neutral": [None if p is None else 1 - p for _, _, p in rows],
        }
    )


def test_each_moment_has_the_label_of_its_segments() -> None:
    found = predicted_labels(segments((0.0, 0.3, 0.9), (0.3, 0.6, None), (0.6, 0.8, 0.2)), LABELS, 10)
    assert found.tolist() == [0, 0, 0, *[NO_SPEECH] * 3, 1, 1, *[NO_SPEECH] * 2]


def test_where_segments_overlap_their_mean_decides() -> None:
    found = predicted_labels(segments((0.0, 0.3, 0.9), (0.2, 0.5, 0.3)), LABELS, 5)
    assert found.tolist() == [0, 0, 0, 1, 1]
    assert predicted_labels(segments((0.0, 0.3, None)), LABELS, 3).tolist() == [NO_SPEECH] * 3


def test_every_way_of_cutting_is_possible() -> None:
    assert len({ReaderOptions(**cut) for cut in CUTS.values()}) == len(CUTS)
