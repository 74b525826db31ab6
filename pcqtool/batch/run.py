"""The run loop: recordings are decoded ahead, computed in batches, and written as rows, part by part."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing

import pyarrow as pa

from pcqtool.batch.batcher import Batcher
from pcqtool.batch.names import Source
from pcqtool.batch.output import RunOutput
from pcqtool.batch.plan import Plan
from pcqtool.batch.prefetch import prefetch
from pcqtool.batch.rows import RowQueue
from pcqtool.batch.summary import Summary
from pcqtool.batch.task import BatchTask, Row


def run(
    plan: Plan,
    output: RunOutput,
    task: BatchTask,
    on_file: Callable[[Source], None] = lambda source: None,
    max_failures: int | None = None,
) -> Summary:
    """Run a plan, and leave the finished tables in the output, which the caller has locked.

    Memory is bounded by the batches and the pieces that are decoded ahead if the task is sequential; otherwise the
    rows of a part are held as well.

    Args:
        plan: the parts to process.
        output: where the tables go.
        task: the computation.
        on_file: called when a recording has been decoded.
        max_failures: stop after the part in which more inputs than this have failed or were empty.

    Raises:
        FileError: if the output cannot be written.
        ModelError: if the model's output is not finite.
    """
    started_s = time.monotonic()
    summary = Summary(n_done_before=plan.n_done, n_replaced=len(plan.stale))
    output.prepare(plan.stale)
    for sources in plan.parts:
        summary.add(run_part(sources, output, task, on_file))
        if max_failures is not None and summary.n_unusable > max_failures:
            summary.stopped = True
            break
    summary.elapsed_s = time.monotonic() - started_s
    output.finish(complete=not summary.stopped)
    return summary


def run_part(
    sources: Sequence[Source],
    output: RunOutput,
    task: BatchTask,
    on_file: Callable[[Source], None] = lambda source: None,
) -> list[Row]:
    """Process and write the output's next part; return its rows of the file table."""
    queue = RowQueue(task, output.provenance.model, output.stale)
    with (
        output.appending_segments(task.schema("segments")) as segments,
        closing(Batcher(task)) as batcher,
        closing(prefetch(sources, task.settings, task.sequential)) as pieces,
    ):
        for piece in pieces:
            queue.add(piece, batcher)
            if piece.is_last:
                on_file(piece.source)
            segments.append_rows(queue.take_segments())
        batcher.finish()
        segments.append_rows(queue.take_segments())
    events = pa.Table.from_pylist(queue.events, task.schema("events")) if "events" in output.kinds else None
    output.write_part(pa.Table.from_pylist(queue.files, task.schema("files")), events, queue.withdrawn)
    return queue.files
