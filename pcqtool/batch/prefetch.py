"""Recordings decoded ahead of the model: several files at a time, never more than fits in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from pcqtool.audio.channel_segmenter import Chunk
from pcqtool.audio.reader import Reader, SegmentReader
from pcqtool.batch.isolation import PIECE, POSSIBLE, SubprocessReader, start
from pcqtool.batch.names import Source
from pcqtool.batch.settings import BatchSettings
from pcqtool.errors import AccessError, AudioError, PcqtoolError
from pcqtool.files.display import display_path


class Stream:
    """A recording on its way to the model, decoded piece by piece.

    Attributes:
        source: the input.
        tracks: length, sample rate and shortfall, complete once it has ended.
        ended: whether nothing more comes.
        error: why it could not be read, or not to its end; ``None`` if it could.
        retry: whether that is no fault of the recording, so that another run may read it.
    """

    def __init__(self, source: Source, settings: BatchSettings) -> None:
        self.source = source
        if _isolated(settings):
            self.tracks: Reader = SubprocessReader(source.path, settings.reading, settings.limits, settings.timeout_s)
        else:
            self.tracks = SegmentReader(source.path, settings.reading, settings.limits)
        self.ended = False
        self.error: str | None = None
        self.retry = False
        self._chunks = iter(self.tracks)

    def decode(self) -> list[Chunk]:
        """Decode the next piece; a fault ends the stream and is told by ``error``.

        Raises:
            PcqtoolError: what is no fault of this file, such as voice activity detection that is not installed.
        """
        chunks: list[Chunk] = []
        try:
            chunks += islice(self._chunks, PIECE)
        except PcqtoolError as fault:
            if not isinstance(fault, AudioError):
                raise
            self.error = fault.what.removeprefix(f"{display_path(self.source.path)}: ")
            self.retry = isinstance(fault, AccessError)
        except OSError as fault:
            self.error, self.retry = f"cannot be read on ({fault.strerror or fault})", True
        except Exception as fault:  # whatever a decoder may raise is this file's fault, not the batch's
            self.error = f"{type(fault).__name__}: {fault}"
        if self.error is not None:
            self.error = " ".join(self.error.encode("utf-8", "backslashreplace").decode().split())
        self.ended = self.error is not None or len(chunks) < PIECE
        return chunks


def get_ready(settings: BatchSettings) -> None:
    """Start what decodes, which takes a second, before the first recording is there."""
    if _isolated(settings):
        start()


def _isolated(settings: BatchSettings) -> bool:
    return settings.timeout_s > 0 and POSSIBLE


def prefetch(
    sources: Sequence[Source], settings: BatchSettings, in_turn: bool = False
) -> Generator[tuple[Stream, list[Chunk], bool]]:
    """Decode recordings side by side, a piece of each in rotation; close the generator to stop early.

    Twice as many recordings as jobs are open at a time, with one piece each in memory: while one half is decoded,
    the other waits for the model. The order depends on the arguments alone, never on which thread was faster, so that
    the same batches come out of every run.

    Yields:
        A recording, its next piece, and whether that is its last one.

    Args:
        sources: the inputs, opened in this order.
        settings: how they are read, and how many at the same time.
        in_turn: give all pieces of a recording before those of the next, of which only the first is decoded ahead.

    Raises:
        PcqtoolError: as ``Stream.decode``.
    """
    n_jobs = settings.n_jobs
    fresh = (Stream(source, settings) for source in sources)
    with ThreadPoolExecutor(n_jobs, "decode") as pool:
        turn = deque((stream, pool.submit(stream.decode)) for stream in islice(fresh, 2 * n_jobs))
        try:
            while turn:
                stream, piece = turn.popleft()
                chunks = piece.result()
                last = stream.ended  # asked now: a thread may bring it to its end while the model has this piece
                follower = next(fresh, None) if last else stream
                if follower is not None:
                    queue = turn.appendleft if in_turn and not last else turn.append
                    queue((follower, pool.submit(follower.decode)))
                yield stream, chunks, last
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
