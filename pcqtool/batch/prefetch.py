"""Recordings decoded ahead of the model: several at a time, never more than fits in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

from pcqtool.audio.channel_segmenter import Chunk
from pcqtool.audio.reader import Reader, RecordingInfo, SegmentReader
from pcqtool.batch import isolation
from pcqtool.batch.decoder_server import IS_POSSIBLE, start_server
from pcqtool.batch.isolation import PIECE_CHUNKS, SubprocessReader
from pcqtool.batch.names import Source
from pcqtool.batch.settings import BatchSettings
from pcqtool.errors import AccessError, AudioError, PcqtoolError
from pcqtool.files.display import display_path

OPENING_CHUNKS = 2  # of 30 s: of one speaker, or of both speakers of a call


@dataclass(frozen=True)
class Failure:
    """Why a recording could not be read, or not to its end.

    Attributes:
        reason: one line for the table.
        retry: whether the recording itself is not at fault, so that the next run reads it again.
    """

    reason: str
    retry: bool = False


class Piece(NamedTuple):
    """The next chunks of a recording.

    Attributes:
        source: the recording.
        chunks: at most ``PIECE_CHUNKS``, or ``OPENING_CHUNKS`` of an opening.
        info: facts about the recording that are known so far.
        is_last: whether the recording has ended.
        failure: why it has ended early.
    """

    source: Source
    chunks: list[Chunk]
    info: RecordingInfo
    is_last: bool
    failure: Failure | None = None


def prefetch(sources: Sequence[Source], settings: BatchSettings, sequential: bool = False) -> Generator[Piece]:
    """Decode recordings side by side, a piece of each in rotation; close the generator to stop early.

    Twice as many recordings as jobs are open at a time, with one piece each in memory: while one half is decoded, the
    other half waits for the model. The order depends on the arguments alone, never on which thread was faster, so that
    every run computes the same batches.

    Args:
        sources: the recordings, opened in this order.
        settings: how they are read, and how many at the same time.
        sequential: yield all pieces of a recording before those of the next, of which only the first is decoded ahead.

    Raises:
        PcqtoolError: a fault that is not the recording's, such as a missing package for voice activity detection.
    """
    readers = (open_source(source, settings) for source in sources)
    with ThreadPoolExecutor(settings.n_jobs, "decode") as pool:
        queue = deque((read, pool.submit(read)) for read in islice(readers, 2 * settings.n_jobs))
        try:
            while queue:
                read, future = queue.popleft()
                piece = future.result()
                following = next(readers, None) if piece.is_last else read
                if following is not None:
                    put = queue.appendleft if sequential and not piece.is_last else queue.append
                    put((following, pool.submit(following)))
                yield piece
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def openings(sources: Iterable[Source], settings: BatchSettings) -> Generator[Piece]:
    """Decode the beginning of recordings side by side, in their order; close the generator to stop early.

    Args:
        sources: the recordings, taken from the iterable some time ahead.
        settings: how they are read, and how many at the same time.

    Raises:
        PcqtoolError: as ``prefetch``.
    """
    readers = (open_source(source, settings, OPENING_CHUNKS) for source in sources)
    with ThreadPoolExecutor(settings.n_jobs, "decode") as pool:
        queue = deque(pool.submit(read) for read in islice(readers, 2 * settings.n_jobs))
        try:
            while queue:
                piece = queue.popleft().result()
                queue.extend(pool.submit(read) for read in islice(readers, 1))
                yield piece
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def open_source(source: Source, settings: BatchSettings, n_chunks: int = PIECE_CHUNKS) -> Callable[[], Piece]:
    """Return a function that decodes the next piece of a recording; the file is opened by the first call.

    Args:
        source: the recording.
        settings: how it is read.
        n_chunks: chunks of a piece.
    """
    options, limits = settings.reader_options, settings.limits
    turns = None if settings.turns is None else settings.turns.of(source.file)
    reader: Reader = (
        SubprocessReader(source.path, options, limits, settings.timeout_s, n_chunks, turns)
        if _is_isolated(settings)
        else SegmentReader(source.path, options, limits, turns)
    )
    return partial(_read_piece, source, reader, iter(reader), n_chunks)


def start_decoder_server(settings: BatchSettings) -> None:
    """Begin to load the decoders, in another process, while this one loads the model."""
    if _is_isolated(settings):
        start_server()


def start_decoders(settings: BatchSettings) -> None:
    """Start the decoder processes, which takes a second, before the first recording is there."""
    if _is_isolated(settings):
        isolation.start()


def _is_isolated(settings: BatchSettings) -> bool:
    return settings.timeout_s > 0 and IS_POSSIBLE


def _read_piece(source: Source, reader: Reader, chunks: Iterator[Chunk], n_chunks: int) -> Piece:
    found: list[Chunk] = []
    failure: Failure | None = None
    try:
        found += islice(chunks, n_chunks)
    except PcqtoolError as fault:
        if not isinstance(fault, AudioError):
            raise
        reason = fault.what.removeprefix(f"{display_path(source.path)}: ")
        failure = Failure(_one_line(reason), isinstance(fault, AccessError))
    except OSError as fault:
        failure = Failure(_one_line(f"cannot be read further ({fault.strerror or fault})"), retry=True)
    except Exception as fault:  # a decoder may raise anything: the file is at fault, not the run
        failure = Failure(_one_line(f"{type(fault).__name__}: {fault}"))
    return Piece(source, found, reader.info, failure is not None or len(found) < n_chunks, failure)


def _one_line(text: str) -> str:
    return " ".join(text.encode("utf-8", "backslashreplace").decode().split())
