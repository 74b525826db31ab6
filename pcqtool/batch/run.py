"""A run: plan, parts, merge."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing

import pyarrow as pa

from pcqtool.batch.batcher import Batcher
from pcqtool.batch.names import Source
from pcqtool.batch.output import RunOutput
from pcqtool.batch.plan import Plan
from pcqtool.batch.prefetch import prefetch
from pcqtool.batch.rows import RecordingRows
from pcqtool.batch.summary import Summary
from pcqtool.batch.task import BatchTask, Row
from pcqtool.tables.encoding import row_bytes

BLOCK_BYTES = 8 * 2**20
"""Rows are gathered into tables of about this size in memory."""


def run(
    plan: Plan,
    store: RunOutput,
    work: BatchTask,
    on_file: Callable[[Source], None] = lambda source: None,
    max_failures: int | None = None,
) -> Summary:
    """Do what the plan holds and leave the finished tables in the store, which should be locked.

    Memory is bounded by the batch and by what is decoded ahead, where recordings are heard in turn; else a part's rows
    are held.

    Args:
        plan: what is to be done.
        store: the output.
        work: what is made of the recordings.
        on_file: called as each recording was decoded.
        max_failures: stop after the part in which more inputs have failed, or were empty.

    Raises:
        TableError: if the output cannot be written.
        ModelError: if the model's output is not finite.
    """
    started_s = time.monotonic()
    summary = Summary(n_done_before=plan.n_done, n_replaced=len(plan.stale))
    store.prepare(plan.stale)
    for sources in plan.parts:
        rows = do_part(sources, store, work, on_file)
        summary.add(rows)
        if max_failures is not None and summary.n_useless > max_failures:
            summary.stopped = True
            break
    summary.elapsed_s = time.monotonic() - started_s
    store.finish(whole=not summary.stopped)
    return summary


def do_part(
    sources: Sequence[Source],
    store: RunOutput,
    work: BatchTask,
    on_file: Callable[[Source], None] = lambda source: None,
) -> list[Row]:
    """Do the store's next part; give its rows of the file table."""
    part = _Part(sources, store.stale, work, store.provenance.model, on_file)
    with closing(part.segments()) as tables:
        store.add_segments(work.schema("segments"), tables)
    store.add_files(pa.Table.from_pylist(part.files, work.schema("files")), part.void)
    return part.files


class _Part:
    """A part being done.

    Attributes:
        files: rows of the file table, complete once all segments were given.
        void: names of the recordings whose segments, already given, do not hold.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        stale: Collection[str],
        work: BatchTask,
        model: str,
        on_file: Callable[[Source], None],
    ) -> None:
        self.sources = sources
        self.stale = stale
        self.work = work
        self.model = model
        self.on_file = on_file
        self.files: list[Row] = []
        self.void: set[str] = set()

    def segments(self) -> Generator[pa.Table]:
        """Do the work and give the rows of the segment table as they become known, in their order."""
        schema = self.work.schema("segments")
        n_block = max(1, BLOCK_BYTES // row_bytes(schema))
        block: list[Row] = []
        for rows in self._rows():
            block += rows
            if len(block) >= n_block:
                yield pa.Table.from_pylist(block, schema)
                block = []
        yield pa.Table.from_pylist(block, schema)

    def _rows(self) -> Iterator[list[Row]]:
        entries: dict[object, RecordingRows] = {}
        line: deque[RecordingRows] = deque()  # those whose rows are still to come, as the table will have them
        with (
            closing(Batcher(self.work)) as batches,
            closing(prefetch(self.sources, self.work.settings, self.work.in_turn)) as pieces,
        ):
            for stream, chunks, last in pieces:
                if stream not in entries:
                    entries[stream] = RecordingRows(stream, self.work, self.model)
                    line.append(entries[stream])
                for chunk in chunks:
                    entries[stream].add(chunk, batches)
                if last:
                    entries.pop(stream).ended = True
                    self.on_file(stream.source)
                yield self._advance(line)
            batches.finish()
        yield self._advance(line)

    def _has_vanished(self, entry: RecordingRows) -> bool:
        """Whether a recording that has rows already was taken away before it was read again: these rows stay."""
        stream = entry.stream
        return stream.error is not None and stream.source.file in self.stale and not stream.source.path.exists()

    def _advance(self, line: deque[RecordingRows]) -> list[Row]:
        """Take what can be said of the recordings at the head of the line."""
        rows: list[Row] = []
        while line:
            rows += line[0].segments()
            if not line[0].settled:
                break
            entry = line.popleft()
            if not self._has_vanished(entry):
                self.files += entry.files()
            if entry.void:
                self.void.add(entry.stream.source.file)
        return rows
