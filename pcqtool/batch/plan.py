"""The plan of a run: which inputs are already done, and the rest frozen into parts of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pcqtool.audio.discover import Source

PART_FILES = 256
PART_BYTES = 64 * 2**20  # of files, about 35 minutes of 16 kHz WAV

Stamp = tuple[int | None, int | None]
"""Size in bytes and time of the last change in microseconds: equal stamps, same recording."""


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


def stamp(source: Source) -> Stamp:
    """Give an input's size and time as the file table holds them."""
    return source.size_bytes, None if source.mtime is None else round(source.mtime * 1e6)


def make_plan(sources: Sequence[Source], done: Mapping[str, Stamp]) -> Plan:
    """Sort out what is done; ``done`` maps the names in the output to the stamps that they had.

    Parts are cut in order, so a run that was stopped between two of them goes on with the very same parts.
    """
    todo = [source for source in sources if done.get(source.file) != stamp(source)]
    stale = frozenset(source.file for source in todo if source.file in done)
    return Plan(tuple(_parts(todo)), len(sources) - len(todo), stale)


def _parts(sources: Sequence[Source]) -> Iterator[tuple[Source, ...]]:
    part: list[Source] = []
    size = 0
    for source in sources:
        if part and (len(part) == PART_FILES or size + (source.size_bytes or 0) > PART_BYTES):
            yield tuple(part)
            part, size = [], 0
        part.append(source)
        size += source.size_bytes or 0
    if part:
        yield tuple(part)
