"""The plan of a run: which inputs are done already, and the others divided into parts of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pcqtool.batch.names import FileSignature, Source, signature_of

PART_FILES = 256
PART_BYTES = 64 * 2**20  # of input files, about 35 minutes of 16 kHz WAV
GRAIN = 32  # parts for many workers are not smaller than a 32nd of these limits: each part costs two tables


@dataclass(frozen=True)
class Plan:
    """The recordings that a run will process.

    Attributes:
        parts: the inputs of each part, in the order of their names.
        n_done: inputs whose rows are in the output already.
        stale: names of recordings that have changed since; their old rows will be replaced.
    """

    parts: tuple[tuple[Source, ...], ...]
    n_done: int
    stale: frozenset[str]

    @property
    def n_todo(self) -> int:
        """Number of inputs to process."""
        return sum(map(len, self.parts))

    def parts_for(self, workers: int) -> tuple[tuple[Source, ...], ...]:
        """Divide the same inputs for workers that each take the next part when they have finished one.

        A part is half of a worker's even share of what is left, so that parts get smaller and smaller and all workers
        finish at about the same time (guided self-scheduling, Polychronopoulos and Kuck 1987).
        """
        sources = [source for part in self.parts for source in part]
        return tuple(_parts(sources, 2 * workers)) if workers > 1 else self.parts


def make_plan(sources: Sequence[Source], done: Mapping[str, FileSignature]) -> Plan:
    """Plan a run.

    Parts are cut in order, so a run that was stopped between two parts resumes with the very same parts. A recording
    that is missing now counts as done if it was: a link that has lost its target keeps its rows.

    Args:
        sources: the inputs, sorted by name.
        done: the signatures of the recordings in the output, by name.
    """
    todo = [source for source in sources if not _is_done(source, done.get(source.file))]
    stale = frozenset(source.file for source in todo if source.file in done)
    return Plan(tuple(_parts(todo)), len(sources) - len(todo), stale)


def _is_done(source: Source, before: FileSignature | None) -> bool:
    return before is not None and not before.retry and (source.size_bytes is None or before == signature_of(source))


def _parts(sources: Sequence[Source], divisor: int = 1) -> Iterator[tuple[Source, ...]]:
    """Cut parts in order, each within the limits and at most about one ``divisor``-th of what is left."""
    files_left, bytes_left = len(sources), sum(source.size_bytes or 0 for source in sources)
    part: list[Source] = []
    part_bytes = 0
    for source in sources:
        size_bytes = source.size_bytes or 0
        max_files = min(PART_FILES, max(PART_FILES // GRAIN, files_left // divisor))
        max_bytes = min(PART_BYTES, max(PART_BYTES // GRAIN, bytes_left // divisor))
        if part and (len(part) >= max_files or part_bytes + size_bytes > max_bytes):
            yield tuple(part)
            files_left, bytes_left = files_left - len(part), bytes_left - part_bytes
            part, part_bytes = [], 0
        part.append(source)
        part_bytes += size_bytes
    if part:
        yield tuple(part)
