"""A labelling run: plan, parts, merge."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pcqtool.audio.discover import Source
from pcqtool.labelling.decode import decode_all
from pcqtool.labelling.judge import Judge, Track
from pcqtool.labelling.plan import Plan
from pcqtool.labelling.rows import Rows
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.store import Store
from pcqtool.model.predictor import Predictor
from pcqtool.tables.schema import Status


@dataclass
class Summary:
    """What a run did.

    Attributes:
        n_done_before: inputs that an earlier run had finished.
        n_files: inputs taken up by this run.
        statuses: rows of this run by status.
        labels: rows of this run by label.
        failures: inputs that could not be read, with the reason.
        audio_s: seconds of audio in this run, each file counted once.
        elapsed_s: time from the first decode to the last part's table.
    """

    n_done_before: int = 0
    n_files: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    audio_s: float = 0.0
    elapsed_s: float = 0.0

    def add(self, rows: Rows) -> None:
        """Count a finished part."""
        self.statuses.update(str(row["status"]) for row in rows.files)
        self.labels.update(row["label"] for row in rows.files if "label" in row)
        self.failures |= {row["file"]: row["error"] for row in rows.files if row["status"] == Status.FAILED}
        durations = {row["file"]: row.get("duration_s") or 0.0 for row in rows.files}
        self.n_files += len(durations)
        self.audio_s += sum(durations.values())

    def to_dict(self) -> dict[str, Any]:
        """Give the summary as JSON values."""
        return asdict(self)


def label(
    plan: Plan,
    store: Store,
    predictor: Predictor,
    settings: LabelSettings,
    on_file: Callable[[Source], None] = lambda source: None,
) -> Summary:
    """Label what the plan holds and leave the finished tables in the store.

    Raises:
        TableError: if the output cannot be written.
    """
    started = time.monotonic()
    summary = Summary(n_done_before=plan.n_done)
    store.drop(plan.stale)
    for part in plan.parts:
        rows = _label_part(part, store, predictor, settings, on_file)
        store.add(*rows.tables())
        summary.add(rows)
    summary.elapsed_s = time.monotonic() - started
    store.finish()
    return summary


def _label_part(
    part: Sequence[Source],
    store: Store,
    predictor: Predictor,
    settings: LabelSettings,
    on_file: Callable[[Source], None],
) -> Rows:
    rows = Rows(store.provenance)
    judge = Judge(predictor, settings.batch_size, settings.min_speech)
    finished = []
    for decoded in decode_all(part, settings.reading, settings.n_jobs):
        tracks: dict[str, Track] = {}
        for chunk in decoded.chunks():
            judge.add(tracks.setdefault(chunk.channel, Track(chunk.channel)), chunk)
        finished.append((decoded, list(tracks.values())))
        on_file(decoded.source)
    judge.finish()
    for decoded, judged in finished:
        rows.add(decoded, judged)
    return rows
