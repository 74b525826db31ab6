"""Recordings decoded ahead of the model: several files at a time, in threads, never more than fits in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Event, Semaphore

from pcqtool.audio.discover import Source
from pcqtool.audio.lane import Chunk
from pcqtool.audio.tracks import Reading, Tracks, read
from pcqtool.errors import AudioError

AHEAD = 10  # chunks of a file, up to 30 s each, that are decoded before the model asks for them


@dataclass
class Decoded:
    """A recording on its way to the model.

    Attributes:
        source: the input.
        tracks: its streams, or ``None`` where it could not be opened.
        error: why it could not be read, or not to its end.
    """

    source: Source
    tracks: Tracks | None = None
    error: str | None = None
    _ahead: Sequence[Chunk] = ()
    _rest: Iterator[Chunk] = iter(())

    def chunks(self) -> Iterator[Chunk]:
        """Give the recording chunk by chunk; a fault in the middle ends it and is told by ``error``."""
        yield from self._ahead
        self._ahead = ()
        try:
            yield from self._rest
        except Exception as error:  # whatever a decoder may raise is this file's fault, not the batch's
            self.error = _reason(error)


def decode_all(sources: Sequence[Source], reading: Reading, n_jobs: int) -> Iterator[Decoded]:
    """Decode recordings side by side, in any order; each is held back until those before it are taken.

    The first five minutes of each are decoded in a thread; what is longer is read on as the model takes it.
    """
    from joblib import Parallel, delayed

    room = Semaphore(2 * n_jobs + 1)
    abandoned = Event()

    def start(source: Source) -> Decoded:
        room.acquire()
        return Decoded(source) if abandoned.is_set() else _start(source, reading)

    parallel = Parallel(n_jobs=n_jobs, backend="threading", return_as="generator_unordered", batch_size=1)
    try:
        for decoded in parallel(delayed(start)(source) for source in sources):
            room.release()
            yield decoded
    finally:
        abandoned.set()
        room.release(len(sources) + 1)  # no thread is left waiting, whatever stopped the run


def _start(source: Source, reading: Reading) -> Decoded:
    decoded = Decoded(source)
    try:
        if source.size_bytes is None:
            raise AudioError("no such file")
        tracks = read(source.path, reading)
        decoded._rest = iter(tracks)
        decoded._ahead = list(islice(decoded._rest, AHEAD))
        decoded.tracks = tracks
    except Exception as error:  # see chunks
        decoded.error = _reason(error)
    return decoded


def _reason(error: Exception) -> str:
    text = error.what if isinstance(error, AudioError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())
