"""The data that the page's script reads: packed columns, and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcqtool.report.page.packing import Packed, pack_codes, pack_fractions, pack_integers, pack_times, pack_words
from pcqtool.tables.schema import peak_columns, peak_time_columns, probability_columns, share_columns

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from pcqtool.report.page.groups import Grouping
    from pcqtool.report.page.look import LabelLook
    from pcqtool.report.page.tables import PageTables


def page_data(tables: PageTables, looks: list[LabelLook], groupings: list[Grouping]) -> dict[str, Any]:
    """Return the data of a page, without sound, as JSON values."""
    import polars as pl

    return {
        "labels": [{"name": look.label, "letters": look.letters, "ink": look.ink} for look in looks],
        "names": list(tables.names),
        "rows": _rows(tables),
        "segments": _segments(tables),
        "events": _events(tables),
        "groupings": [
            {"name": each.name, "kind": each.kind, **pack_words(pl.Series(each.values, dtype=pl.String))}
            for each in groupings
        ],
    }


def _rows(tables: PageTables) -> dict[str, Packed | int]:
    """Pack the file table."""
    files, labels = tables.files, tables.labels
    return {
        "n": len(files),
        "recording": pack_integers(files["recording"].to_numpy(), differences=True),
        "channel": pack_words(files["channel"]),
        "speaker": pack_words(files["speaker"]),
        "status": pack_words(files["status"]),
        "error": pack_words(files["error"]),
        "note": pack_words(files["note"]),
        "label": pack_codes(tables.label_codes(files)),
        "confidence": pack_fractions(_numbers(files["confidence"])),
        "duration": pack_times(_numbers(files["duration_s"])),
        "speech": pack_times(_numbers(files["speech_s"])),
        "talk": pack_fractions(_numbers(files["talk_share"])),
        "classified": pack_times(_numbers(files["classified_s"])),
        "shares": pack_fractions(_matrix(files, share_columns(labels)), precise=True),
        "peaks": pack_fractions(_matrix(files, peak_columns(labels))),
        "peak_times": pack_times(_matrix(files, peak_time_columns(labels)).reshape(-1)),
    }


def _segments(tables: PageTables) -> dict[str, Packed]:
    segments = tables.segments
    return {
        "count": pack_integers(tables.counts("segments")),
        "start": pack_times(_numbers(segments["start_s"]), differences=True),
        "length": pack_times(_numbers(segments["end_s"] - segments["start_s"])),
        "probabilities": pack_fractions(_matrix(segments, probability_columns(tables.labels))),
    }


def _events(tables: PageTables) -> dict[str, Packed]:
    events = tables.events
    return {
        "count": pack_integers(tables.counts("events")),
        "start": pack_times(_numbers(events["start_s"]), differences=True),
        "length": pack_times(_numbers(events["end_s"] - events["start_s"])),
        "label": pack_codes(tables.label_codes(events)),
        "confidence": pack_fractions(_numbers(events["confidence"])),
        "peak": pack_fractions(_numbers(events["peak"])),
        "peak_time": pack_times(_numbers(events["peak_s"])),
    }


def _numbers(column: pl.Series) -> NDArray[np.float64]:
    """Return a column as floats, with NaN for null."""
    import polars as pl

    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _matrix(frame: pl.DataFrame, names: list[str]) -> NDArray[np.float64]:
    """Return columns as ``(n, len(names))``, with NaN for null."""
    import numpy as np

    return np.stack([_numbers(frame[name]) for name in names], axis=1)
