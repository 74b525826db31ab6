"""One recording of a result: ``pcqtool.find_recording``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pcqtool.arguments import StrPath
from pcqtool.batch.names import name_of
from pcqtool.batch.results import Results
from pcqtool.errors import SettingsError
from pcqtool.report.summary import EmotionEvent, make_events, open_results, scan_emotion_events
from pcqtool.tables.reader import collect_all, scan_files, scan_segments

if TYPE_CHECKING:
    import polars as pl

SHOWN_NAMES = 5
"""Number of names that an error lists."""

_MAX_COMPARED = 2_000  # names that are compared for similarity, which takes about a second


@dataclass(frozen=True)
class LabelledSegment:
    """A row of the segment table.

    Attributes:
        start_s: start in seconds from the start of the recording.
        end_s: end in seconds.
        label: the most probable emotion; None without a prediction, and below the minimum of confidence.
        confidence: probability of the most probable emotion, 0 to 1; None without a prediction.
        speech: fraction of speech, 0 to 1; None without voice activity detection.
    """

    start_s: float
    end_s: float
    label: str | None
    confidence: float | None
    speech: float | None


@dataclass(frozen=True)
class TrackResult:
    """A channel or speaker of a recording.

    Attributes:
        channel: ``0``, ``1``, … or ``mix``; None if the recording could not be opened.
        speaker: the speaker; None if no turns were given.
        status: ``ok``, ``no_speech``, ``empty``, ``truncated`` or ``failed``.
        error: why the status is not ``ok``; None if it is.
        note: how the recording was read, if not in the usual way; None otherwise.
        duration_s: length of the recording in seconds; None if it could not be opened.
        speech_s: seconds of speech; None without voice activity detection.
        talk_share: share in the recording's speech, 0 to 1; None if there is only one channel or speaker.
        label: the most probable emotion; None without a prediction, and below the minimum of confidence.
        confidence: its probability, 0 to 1; None without a prediction.
        probabilities: probability of each label; empty without a prediction.
        shares: share of the classified time by label; empty without a prediction.
        events: its events, in order of time.
        segments: its segments, in order of time.
    """

    channel: str | None
    speaker: str | None
    status: str
    error: str | None
    note: str | None
    duration_s: float | None
    speech_s: float | None
    talk_share: float | None
    label: str | None
    confidence: float | None
    probabilities: Mapping[str, float]
    shares: Mapping[str, float]
    events: tuple[EmotionEvent, ...]
    segments: tuple[LabelledSegment, ...]


@dataclass(frozen=True)
class RecordingResult:
    """One recording of a result.

    Attributes:
        file: name of the recording in the table.
        model: name of the model.
        labels: the model's classes, in its order.
        duration_s: length in seconds; None if it could not be opened.
        tracks: its channels or speakers, in the order of the table.
    """

    file: str
    model: str
    labels: tuple[str, ...]
    duration_s: float | None
    tracks: tuple[TrackResult, ...]


def find_recording(results: Results | StrPath, name: StrPath) -> RecordingResult:
    """Find a recording in a result of ``pcqtool.label``, with its events and segments.

    Args:
        results: results, ``results.parquet``, or a directory of parts.
        name: its name in the table; the end of its name, from a slash, if only one recording has that; or its path.

    Raises:
        SettingsError: if no recording has the name, with similar names, or if several have it.
        TableError: if the result is missing or damaged, or was not made by ``label``.

    Examples:
        >>> import pcqtool
        >>> call = pcqtool.find_recording("results.parquet", "call7.wav")  # doctest: +SKIP
        >>> [(track.channel, track.label) for track in call.tracks]  # doctest: +SKIP
        [('0', 'neutral'), ('1', 'anger')]
    """
    import polars as pl

    results = open_results(results)
    file = _find_name(results, os.fspath(name))
    events = scan_emotion_events(results)
    is_file = pl.col("file") == file
    queries = [scan_files(results.path).filter(is_file), scan_segments(results.path).filter(is_file)]
    if events is not None:
        queries.append(events.filter(is_file))
    rows, segments, *rest = (_with_text(each) for each in collect_all(queries, results.path))
    tracks = tuple(
        _track(row, results.provenance.labels, segments, rest[0] if rest else None)
        for row in rows.iter_rows(named=True)
    )
    durations_s = [track.duration_s for track in tracks if track.duration_s is not None]
    provenance = results.provenance
    return RecordingResult(file, provenance.model, provenance.labels, max(durations_s, default=None), tracks)


def _with_text(rows: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    names = [name for name in ("channel", "speaker", "label", "status") if name in rows.columns]
    return rows.with_columns(pl.col(name).cast(pl.String) for name in names)


def _track(
    row: dict[str, Any], labels: tuple[str, ...], segments: pl.DataFrame, events: pl.DataFrame | None
) -> TrackResult:
    from pcqtool.tables.schema import probability_columns, share_columns

    columns = ("start_s", "end_s", "label", "confidence", "speech")
    own = _rows_of(segments, row).select(columns).iter_rows()
    return TrackResult(
        **{name: row.get(name) for name in ("channel", "speaker", "error", "note", "duration_s", "speech_s")},
        **{name: row.get(name) for name in ("talk_share", "label", "confidence")},
        status=row["status"],
        probabilities=_by_label(row, labels, probability_columns(labels)),
        shares=_by_label(row, labels, share_columns(labels)),
        events=() if events is None else make_events(_rows_of(events, row)),
        segments=tuple(LabelledSegment(*each) for each in own),
    )


def _by_label(row: dict[str, Any], labels: tuple[str, ...], columns: list[str]) -> dict[str, float]:
    return {label: row[column] for label, column in zip(labels, columns, strict=True) if row.get(column) is not None}


def _rows_of(rows: pl.DataFrame, track: dict[str, Any]) -> pl.DataFrame:
    """Return the rows of a channel and speaker, in order of time."""
    import polars as pl

    keys = [name for name in ("channel", "speaker") if name in rows.columns]
    same = [pl.col(name).eq_missing(pl.lit(track.get(name), pl.String)) for name in keys]
    return rows.filter(*same).sort("start_s")


def _find_name(results: Results, name: str) -> str:
    """Return the one name in the table that is meant."""
    import polars as pl

    names = scan_files(results.path).select("file")

    def first(condition: pl.Expr, n: int) -> list[str]:
        (found,) = collect_all([names.filter(condition).unique().sort("file").head(n)], results.path)
        return found["file"].to_list()

    wanted = name.replace(os.sep, "/").removeprefix("./").rstrip("/")
    exact = {name, wanted}
    if (root := results.provenance.root) is not None and os.path.lexists(name):
        exact |= {name_of(os.path.abspath(name), root), name_of(os.path.realpath(name), root)}  # noqa: PTH100
    if found := first(pl.col("file").is_in(sorted(exact)), 1):
        return found[0]
    found = first(pl.col("file").str.ends_with(f"/{wanted}"), SHOWN_NAMES + 1)
    if len(found) == 1:
        return found[0]
    if found:
        more = ", …" if len(found) > SHOWN_NAMES else ""
        raise SettingsError(
            f"several recordings are called {wanted}: {', '.join(found[:SHOWN_NAMES])}{more}",
            "Name one of them in full.",
        )
    similar = _similar_names(wanted, first)
    raise SettingsError(
        f"no recording {wanted} in {results.path}",
        f"Similar: {', '.join(similar)}." if similar else "Names are in the column file of the table.",
    )


def _similar_names(wanted: str, first: Any) -> list[str]:
    """Return names that contain the wanted one, whatever the case; or else names that are spelled similarly."""
    import polars as pl

    stem = wanted.rpartition("/")[2].rpartition(".")[0] or wanted
    contain: list[str] = first(pl.col("file").str.to_lowercase().str.contains(stem.lower(), literal=True), SHOWN_NAMES)
    if contain:
        return contain
    by_key: dict[str, str] = {}
    same_beginning = pl.col("file").str.to_lowercase().str.contains(stem[:3].lower(), literal=True)
    for each in (*first(same_beginning, _MAX_COMPARED), *first(pl.lit(True), _MAX_COMPARED)):
        by_key.setdefault(each.rpartition("/")[2].lower(), each)
        by_key.setdefault(each.lower(), each)
    close = get_close_matches(wanted.lower(), by_key, SHOWN_NAMES)
    return list(dict.fromkeys(by_key[each] for each in close))
