"""The numbers at the top of the page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcqtool.tables.schema import Status, share_columns

if TYPE_CHECKING:
    from pcqtool.report.page.tables import PageTables

MAX_FAILURES = 100
"""Failures that the page lists; the table of recordings has all of them."""


@dataclass(frozen=True)
class ConfusionRow:
    """One true label: the number of rows by predicted label, of which the last are those without a label."""

    truth: str
    counts: tuple[int, ...]
    recall: float | None


@dataclass(frozen=True)
class Confusion:
    """Labels that people gave against those of the model.

    Attributes:
        predicted: the model's labels.
        rows: one per true label.
        n: number of rows with a true label.
        accuracy: share of them with the right label; a row without a label is wrong.
        ua: mean recall of the true labels that the model has; None if it has none of them.
    """

    predicted: tuple[str, ...]
    rows: tuple[ConfusionRow, ...]
    n: int
    accuracy: float
    ua: float | None


@dataclass(frozen=True)
class Overview:
    """Numbers of a run.

    Attributes:
        n_recordings: recordings.
        n_rows: rows of the file table: channels or speakers.
        hours: hours of audio, each recording counted once.
        speech_hours: hours of speech, all channels together; None without voice activity detection.
        emotions: seconds and share of the classified time of each label, the longest first.
        statuses: rows by status.
        failures: names and reasons of recordings that failed, at most ``MAX_FAILURES``.
        n_failed: how many failed.
    """

    n_recordings: int
    n_rows: int
    hours: float
    speech_hours: float | None
    emotions: tuple[tuple[str, float, float], ...]
    statuses: dict[str, int]
    failures: tuple[tuple[str, str], ...]
    n_failed: int


def overview_of(tables: PageTables) -> Overview:
    """Count and add up the rows of the file table."""
    import polars as pl

    files = tables.files
    seconds = {
        label: float((files[share] * files["classified_s"]).sum() or 0.0)
        for label, share in zip(tables.labels, share_columns(tables.labels), strict=True)
    }
    total = sum(seconds.values()) or 1.0
    durations = files.group_by("recording").agg(pl.col("duration_s").max())["duration_s"]
    speech = files["speech_s"].drop_nulls()
    failed = files.filter(pl.col("status") == Status.FAILED).unique("file", maintain_order=True)
    return Overview(
        n_recordings=len(tables.names),
        n_rows=len(files),
        hours=float(durations.sum() or 0.0) / 3600,
        speech_hours=float(speech.sum()) / 3600 if len(speech) else None,
        emotions=tuple((label, s, s / total) for label, s in sorted(seconds.items(), key=lambda item: -item[1])),
        statuses=dict(Counter(files["status"].to_list()).most_common()),
        failures=tuple(
            (name, reason or "") for name, reason in failed.select("file", "error").head(MAX_FAILURES).rows()
        ),
        n_failed=len(failed),
    )


def confusion_of(truth: list[str | None], predicted: list[str | None], labels: tuple[str, ...]) -> Confusion | None:
    """Count true and predicted labels; None if no row has a true label."""
    counts = Counter((true, label) for true, label in zip(truth, predicted, strict=True) if true)
    n = sum(counts.values())
    if not n:
        return None
    rows = []
    for true in sorted({true for true, _ in counts}, key=lambda label: (label not in labels, label)):
        in_row = tuple(counts[true, label] for label in (*labels, None))
        rows.append(ConfusionRow(true, in_row, counts[true, true] / sum(in_row) if true in labels else None))
    recalls = [row.recall for row in rows if row.recall is not None]
    right = sum(number for (true, label), number in counts.items() if true == label)
    return Confusion(labels, tuple(rows), n, right / n, sum(recalls) / len(recalls) if recalls else None)
