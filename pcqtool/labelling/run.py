"""A labelling run: plan, parts, merge."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from pcqtool.audio.discover import Source
from pcqtool.labelling.decode import Stream, decode_all
from pcqtool.labelling.judge import Judge, Track
from pcqtool.labelling.plan import Plan
from pcqtool.labelling.rows import Rows
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.store import Store
from pcqtool.labelling.summary import Summary

if TYPE_CHECKING:
    from pcqtool.model.predictor import Predictor


def label(
    plan: Plan,
    store: Store,
    predictor: Predictor,
    settings: LabelSettings,
    on_file: Callable[[Source], None] = lambda source: None,
) -> Summary:
    """Label what the plan holds and leave the finished tables in the store, which should be locked.

    Raises:
        TableError: if the output cannot be written.
        ModelError: if the model's output is not finite.
    """
    started_s = time.monotonic()
    summary = Summary(n_done_before=plan.n_done, n_replaced=len(plan.stale))
    store.prepare(plan.stale)
    for part in plan.parts:
        rows = _label_part(part, store, predictor, settings, on_file)
        store.add(*rows.tables())
        summary.add(rows.files)
    summary.elapsed_s = time.monotonic() - started_s
    store.finish()
    return summary


def _label_part(
    part: Sequence[Source],
    store: Store,
    predictor: Predictor,
    settings: LabelSettings,
    on_file: Callable[[Source], None],
) -> Rows:
    judge = Judge(predictor, settings.batch_size, settings.min_speech)
    heard: dict[Stream, dict[str, Track]] = {}
    with closing(decode_all(part, settings.reading, settings.n_jobs)) as pieces:
        for stream, chunks, last in pieces:
            tracks = heard.setdefault(stream, {})
            for chunk in chunks:
                judge.add(tracks.setdefault(chunk.channel, Track(chunk.channel)), chunk)
            if last:
                on_file(stream.source)
    judge.finish()
    rows = Rows(store.provenance, settings.reading.n_samples)
    for stream, tracks in heard.items():
        rows.add(stream, list(tracks.values()))
    return rows
