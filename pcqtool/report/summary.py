"""Summary of a result: ``pcqtool.summarise``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pcqtool.arguments import StrPath, as_path
from pcqtool.batch.results import Results, read_results
from pcqtool.errors import SettingsError, TableError
from pcqtool.report.model_facts import model_facts
from pcqtool.tables.paths import list_tables
from pcqtool.tables.reader import collect_all, scan_events, scan_files

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class EmotionEvent:
    """A row of the event table with a label.

    Attributes:
        file: name of the recording in the table.
        channel: ``0``, ``1``, … or ``mix``.
        speaker: the speaker; None if no turns were given.
        label: the emotion.
        start_s: start in seconds from the start of the recording.
        end_s: end in seconds.
        confidence: mean probability of the emotion, 0 to 1.
        peak: its highest probability, 0 to 1.
        peak_s: start of the stretch with that probability, in seconds.
    """

    file: str
    channel: str | None
    speaker: str | None
    label: str
    start_s: float
    end_s: float
    confidence: float
    peak: float
    peak_s: float

    @property
    def duration_s(self) -> float:
        """Length of the event in seconds."""
        return self.end_s - self.start_s


EVENT_COLUMNS = tuple(EmotionEvent.__dataclass_fields__)


@dataclass(frozen=True)
class ResultSummary:
    """Figures of a result over all its recordings.

    Attributes:
        model: name of the model.
        license: the model's license; None if the model is not at hand.
        labels: the model's classes, in its order.
        n_recordings: number of recordings.
        n_rows: number of rows of the file table, one per channel or speaker.
        duration_s: seconds of audio, each recording counted once.
        speech_s: seconds of speech, the sum over channels or speakers; None without voice activity detection.
        statuses: number of rows by status, the largest first.
        label_time_s: classified seconds by their most probable label, the longest first; empty for a table of a version
            that did not measure it.
        n_failed: number of recordings that failed.
        failures: the reason by recording, for the first of them.
        longest: the longest events of each label, the longest first.
        strongest: the events of each label with the highest ``peak``, the highest first.
    """

    model: str
    license: str | None
    labels: tuple[str, ...]
    n_recordings: int
    n_rows: int
    duration_s: float
    speech_s: float | None
    statuses: Mapping[str, int]
    label_time_s: Mapping[str, float]
    n_failed: int
    failures: Mapping[str, str]
    longest: Mapping[str, tuple[EmotionEvent, ...]] = field(default_factory=dict)
    strongest: Mapping[str, tuple[EmotionEvent, ...]] = field(default_factory=dict)

    @property
    def shares(self) -> dict[str, float]:
        """Share of each label in the classified time, 0 to 1, the largest first."""
        total_s = sum(self.label_time_s.values())
        return {label: seconds / total_s for label, seconds in self.label_time_s.items()}


def summarise(results: Results | StrPath, *, n_events: int = 3, n_failures: int = 5) -> ResultSummary:
    """Summarise a result of ``pcqtool.label``: hours, statuses, emotions by time, failures, the most notable events.

    The tables are read in blocks, so that memory does not grow with them.

    Args:
        results: results, ``results.parquet``, or a directory of parts.
        n_events: number of longest and of strongest events of each label.
        n_failures: number of failed recordings whose reason is returned.

    Raises:
        TableError: if the result is missing or damaged, or was not made by ``label``.
        SettingsError: if a number is negative.

    Examples:
        >>> import pcqtool
        >>> summary = pcqtool.summarise("results.parquet")  # doctest: +SKIP
        >>> summary.shares["anger"], summary.strongest["anger"][0].file  # doctest: +SKIP
        (0.031, '2026/call7.wav')
    """
    import polars as pl

    if n_events < 0 or n_failures < 0:
        raise SettingsError("a number of events or failures is negative", "Use 0 or more.")
    results = open_results(results)
    provenance = results.provenance
    files = scan_files(results.path)
    is_failed = pl.col("status").cast(pl.String) == "failed"
    is_first = pl.col("file").ne_missing(pl.col("file").shift())  # the rows of a recording follow each other
    once = files.select("file", "duration_s", is_failed.alias("failed")).filter(is_first)
    rows, recordings, statuses, failures, times = collect_all(
        [
            files.select(pl.len(), pl.col("speech_s").sum(), known=pl.col("speech_s").is_not_null().any()),
            once.select(pl.len(), pl.col("duration_s").sum(), pl.col("failed").sum()),
            files.group_by(pl.col("status").cast(pl.String)).len().sort(["len", "status"], descending=[True, False]),
            files.filter(is_failed).select("file", "error").sort("file").head(n_failures),
            files.select(**_label_times(files, provenance.labels)),
        ],
        results.path,
    )
    longest, strongest = _notable_events(results, n_events)
    known = rows["known"][0]
    return ResultSummary(
        provenance.model,
        model_facts(provenance).license or None,
        provenance.labels,
        recordings["len"][0],
        rows["len"][0],
        recordings["duration_s"][0],
        rows["speech_s"][0] if known else None,
        dict(statuses.iter_rows()),
        {label: s for label, s in sorted(_first(times).items(), key=lambda item: (-item[1], item[0])) if s},
        recordings["failed"][0],
        {file: error or "" for file, error in failures.iter_rows()},
        longest,
        strongest,
    )


def open_results(results: Results | StrPath) -> Results:
    """Open results of ``pcqtool.label``, given their path or already open.

    Raises:
        TableError: if they are missing or damaged, or were not made by ``label``.
    """
    results = results if isinstance(results, Results) else read_results(as_path(results))
    if not {"label", "confidence"} <= set(scan_files(results.path).collect_schema()):
        raise TableError(
            f"{results.path}: has no labels", "Name a result of 'pcqtool label'; 'pcqtool extract' makes no labels."
        )
    return results


def scan_emotion_events(results: Results) -> pl.LazyFrame | None:
    """Scan the events with a label, with the columns of ``EmotionEvent`` and ``duration_s``.

    Returns:
        None if there is no event table: it was made by an earlier version.

    Raises:
        TableError: if the table is damaged.
    """
    import polars as pl

    tables = list_tables(results.path, "events")
    if not tables or not all(path.exists() for path in tables):
        return None
    names = [pl.col(name).cast(pl.String) for name in ("channel", "speaker", "label")]
    events = scan_events(results.path).with_columns(*names).select(EVENT_COLUMNS)
    return events.filter(pl.col("label").is_not_null()).with_columns(duration_s=pl.col("end_s") - pl.col("start_s"))


STRONGEST_FIRST = (
    ("peak", "confidence", "duration_s", "file", "channel", "start_s"),
    (True, True, True, False, False, False),
)
"""Columns to sort events by so that the strongest are first, and whether each is in descending order."""

LONGEST_FIRST = (("duration_s", *STRONGEST_FIRST[0][:2], *STRONGEST_FIRST[0][3:]), STRONGEST_FIRST[1])
"""Columns to sort events by so that the longest are first, and whether each is in descending order."""


def first_events(
    events: pl.LazyFrame,
    n: int,
    order: tuple[tuple[str, ...], tuple[bool, ...]] = STRONGEST_FIRST,
    by: str | None = None,
) -> pl.LazyFrame:
    """Return the query of the first ``n`` events in an order, or of each group with one value in the column ``by``.

    Rows without a channel or speaker do not change the order.
    """
    columns, descending = order
    ordered = events.sort(columns, descending=descending, nulls_last=True)
    return ordered.head(n) if by is None else ordered.group_by(by, maintain_order=True).head(n)


def make_events(rows: pl.DataFrame) -> tuple[EmotionEvent, ...]:
    """Make events of rows with the columns of ``EmotionEvent``."""
    return tuple(EmotionEvent(*row) for row in rows.select(EVENT_COLUMNS).iter_rows())


def _notable_events(results: Results, n: int) -> tuple[dict[str, tuple[EmotionEvent, ...]], ...]:
    """Return the longest and the strongest events of each label that has any."""
    import polars as pl

    events = scan_emotion_events(results)
    labels = results.provenance.labels
    if events is None or not n:
        return {}, {}
    keys = ("duration_s", "peak")
    ends = events.group_by("label").agg(pl.col(key).top_k(n).min().alias(f"nth_{key}") for key in keys)
    (ends_found,) = collect_all([ends], results.path)
    reaching = events.join(ends_found.lazy(), on="label")  # sorting few rows takes a fraction of the time
    found = collect_all(
        [
            first_events(reaching.filter(pl.col(key) >= pl.col(f"nth_{key}")), n, order, by="label")
            for key, order in zip(keys, (LONGEST_FIRST, STRONGEST_FIRST), strict=True)
        ],
        results.path,
    )
    by_label = [
        {label: make_events(rows) for (label,), rows in each.partition_by("label", as_dict=True).items()}
        for each in found
    ]
    return tuple({label: some[label] for label in labels if label in some} for some in by_label)


def _label_times(files: pl.LazyFrame, labels: tuple[str, ...]) -> dict[str, pl.Expr]:
    """Return the expressions of the classified seconds of each label; none if the table has no shares."""
    import polars as pl

    from pcqtool.tables.schema import share_columns

    shares, columns = share_columns(labels), set(files.collect_schema())
    if not {"classified_s", *shares} <= columns:
        return {}
    return {
        label: (pl.col(share).cast(pl.Float64) * pl.col("classified_s")).sum()
        for label, share in zip(labels, shares, strict=True)
    }


def _first(rows: pl.DataFrame) -> dict[str, Any]:
    return rows.row(0, named=True) if rows.width and len(rows) else {}
