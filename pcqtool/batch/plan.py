"""The plan of a run: which inputs are already done, and the rest frozen into parts of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pcqtool.batch.names import FileSignature, Source, signature_of

PART_FILES = 256
PART_BYTES = 64 * 2**20  # of files, about 35 minutes of 16 kHz WAV
GRAIN = 32  # a part is not cut smaller than a 32nd of these for the sake of workers: each costs two tables


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes:
        parts: inputs to be done, a part at a time, in the order of their names.
        n_done: inputs whose rows stand already in the output.
        stale: names whose recording has changed since; their old rows go.
    """

    parts: tuple[tuple[Source, ...], ...]
    n_done: int
    stale: frozenset[str]

    @property
    def n_todo(self) -> int:
        """Number of inputs to be done."""
        return sum(map(len, self.parts))

    def parts_for(self, workers: int) -> tuple[tuple[Source, ...], ...]:
        """Cut the same inputs for workers that each take the next part when they have done one.

        A part is half of a worker's even share of what is left, so that parts get smaller and smaller and all
        workers end at about the same time (guided self-scheduling, Polychronopoulos and Kuck 1987).
        """
        sources = [source for part in self.parts for source in part]
        return tuple(_parts(sources, 2 * workers)) if workers > 1 else self.parts


def make_plan(sources: Sequence[Source], done: Mapping[str, FileSignature]) -> Plan:
    """Sort out what is done; ``done`` maps the names in the output to the stamps that they had.

    A recording that is not there any more is done if it was: a link that has lost its target keeps its rows.

    Parts are cut in order, so a run that was stopped between two of them goes on with the very same parts.
    """
    todo = [source for source in sources if not _is_done(source, done.get(source.file))]
    stale = frozenset(source.file for source in todo if source.file in done)
    return Plan(tuple(_parts(todo)), len(sources) - len(todo), stale)


def _is_done(source: Source, before: FileSignature | None) -> bool:
    return before is not None and not before.again and (source.size_bytes is None or before == signature_of(source))


def _parts(sources: Sequence[Source], share: int = 1) -> Iterator[tuple[Source, ...]]:
    """Cut parts in order, each within the bounds and about that share of what is left at most."""
    n_left, left = len(sources), sum(source.size_bytes or 0 for source in sources)
    part: list[Source] = []
    size = 0
    for source in sources:
        own = source.size_bytes or 0
        most_files = min(PART_FILES, max(PART_FILES // GRAIN, n_left // share))
        most_bytes = min(PART_BYTES, max(PART_BYTES // GRAIN, left // share))
        if part and (len(part) >= most_files or size + own > most_bytes):
            yield tuple(part)
            n_left, left = n_left - len(part), left - size
            part, size = [], 0
        part.append(source)
        size += own
    if part:
        yield tuple(part)
