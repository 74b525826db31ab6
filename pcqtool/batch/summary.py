"""Counts of a run, and of the rows in its output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from pcqtool.tables.schema import SHARE_PREFIX, UNSURE, Status

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Summary:
    """Counts of a run.

    Attributes:
        n_done_before: inputs that an earlier run had finished.
        n_files: inputs that this run has processed.
        n_replaced: processed inputs that have replaced older rows, since the recording has changed or had failed.
        statuses: rows of this run by status.
        labels: rows of this run by label.
        label_time_s: seconds that this run has classified, by their most probable label.
        n_unsure: rows of this run whose label was left out because of its confidence.
        failures: files and folders that could not be read, with the reason.
        n_empty: inputs without audio.
        audio_s: seconds of audio that were processed, each file counted once.
        stopped: whether the run ended early, since too many inputs failed.
        elapsed_s: time from the first decoding to the last part's table.
        load_s: time before that, to load the model and start the decoders.
    """

    n_done_before: int = 0
    n_files: int = 0
    n_replaced: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    label_time_s: Counter[str] = field(default_factory=Counter)
    n_unsure: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    n_empty: int = 0
    stopped: bool = False
    audio_s: float = 0.0
    elapsed_s: float = 0.0
    load_s: float = 0.0

    @property
    def n_unusable(self) -> int:
        """Number of inputs without a result: many if a network share is not mounted, or an export is broken."""
        return len(self.failures) + self.n_empty

    def add(self, files: Iterable[Mapping[str, Any]]) -> None:
        """Count the rows of a finished part's file table."""
        durations_s = {}
        for row in files:
            durations_s[row["file"]] = row.get("duration_s") or 0.0
            self.statuses[str(row["status"])] += 1
            if row.get("label") is not None:
                self.labels[row["label"]] += 1
            for name, share in row.items():
                if name.startswith(SHARE_PREFIX) and share:
                    self.label_time_s[name.removeprefix(SHARE_PREFIX)] += share * row["classified_s"]
            self.n_unsure += row.get("method") == UNSURE
            if row["status"] == Status.FAILED:
                self.failures[row["file"]] = row["error"]
            self.n_empty += row["status"] == Status.EMPTY
        self.n_files += len(durations_s)
        self.audio_s += sum(durations_s.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON values."""
        return vars(self) | {name: dict(getattr(self, name)) for name in ("statuses", "labels", "label_time_s")}


@dataclass(frozen=True)
class TableState:
    """Counts of the rows in an output, from all runs that wrote to it.

    Attributes:
        files: number of recordings.
        statuses: rows by status.
        labels: rows by label.
        label_time_s: classified seconds by their most probable label.
        audio_s: seconds of audio, each recording counted once.
        speech_s: seconds of speech, the sum over rows; None without voice activity detection.
        events: events by label.
        failed: recordings that could not be read, with the reason.
        targets: link targets of failed recordings that are links.
        n_unsure: rows whose label was left out because of its confidence.
    """

    files: int
    statuses: Mapping[str, int]
    labels: Mapping[str, int]
    failed: Mapping[str, str]
    targets: Mapping[str, str] = field(default_factory=dict)
    n_unsure: int = 0
    label_time_s: Mapping[str, float] = field(default_factory=dict)
    audio_s: float = 0.0
    speech_s: float | None = None
    events: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, table: pa.Table | None, events: pa.Table | None = None) -> Self:
        """Count the rows of a file table and an event table; None for a missing table."""
        import pyarrow.compute as pc

        if table is None:
            return cls(0, {}, {}, {})
        failed = table.filter(has_failed(table))
        durations_s = table.group_by("file").aggregate([("duration_s", "max")])["duration_s_max"]
        return cls(
            len(durations_s),
            _counts(table, "status"),
            _counts(table, "label") if "label" in table.schema.names else {},
            dict(zip(failed["file"].to_pylist(), failed["error"].to_pylist(), strict=True)),
            {row["file"]: row["target"] for row in failed.select(["file", "target"]).to_pylist() if row["target"]},
            _counts(table, "method").get(UNSURE, 0) if "method" in table.schema.names else 0,
            _label_times(table),
            pc.sum(durations_s).as_py() or 0.0,
            pc.sum(table["speech_s"]).as_py(),
            {} if events is None else _counts(events, "label"),
        )


def has_failed(table: pa.Table) -> pa.ChunkedArray:
    """Return for each row whether it has failed; compared in a way that does not make pyarrow import pandas."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.match_like(pc.cast(table["status"], pa.string()), Status.FAILED.value)


def _label_times(table: pa.Table) -> dict[str, float]:
    import pyarrow.compute as pc

    seconds = {
        name.removeprefix(SHARE_PREFIX): pc.sum(pc.multiply(table[name], table["classified_s"])).as_py() or 0.0
        for name in table.schema.names
        if name.startswith(SHARE_PREFIX)
    }
    return {label: s for label, s in sorted(seconds.items(), key=lambda item: -item[1]) if s}


def _counts(table: pa.Table, column: str) -> dict[str, int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = pc.value_counts(pc.cast(table[column].drop_null(), pa.string())).to_pylist()
    return {each["values"]: each["counts"] for each in sorted(counts, key=lambda each: -each["counts"])}
