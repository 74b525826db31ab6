"""What a run did, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pcqtool.tables.schema import Status


@dataclass
class Summary:
    """What a run did.

    Attributes:
        n_done_before: inputs that an earlier run had finished.
        n_files: inputs taken up by this run.
        n_replaced: those of them whose older rows were replaced, since the recording has changed.
        statuses: rows of this run by status.
        labels: rows of this run by label.
        failures: inputs that could not be read, with the reason; folders among them too.
        audio_s: seconds of audio in this run, each file counted once.
        stopped: whether the run ended early, since too many inputs failed.
        elapsed_s: time from the first decode to the last part's table.
        load_s: time before that, in which the model was loaded and what decodes was started.
    """

    n_done_before: int = 0
    n_files: int = 0
    n_replaced: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    stopped: bool = False
    audio_s: float = 0.0
    elapsed_s: float = 0.0
    load_s: float = 0.0

    def add(self, files: Iterable[Mapping[str, Any]]) -> None:
        """Count the rows of a finished part's file table."""
        durations_s = {}
        for row in files:
            durations_s[row["file"]] = row.get("duration_s") or 0.0
            self.statuses[str(row["status"])] += 1
            if row.get("label") is not None:
                self.labels[row["label"]] += 1
            if row["status"] == Status.FAILED:
                self.failures[row["file"]] = row["error"]
        self.n_files += len(durations_s)
        self.audio_s += sum(durations_s.values())

    def to_dict(self) -> dict[str, Any]:
        """Give the summary as JSON values."""
        return vars(self) | {"statuses": dict(self.statuses), "labels": dict(self.labels)}
