"""Recordings decoded in separate processes: a decoder that crashes or hangs costs its recording and nothing else.

libsndfile and FFmpeg are written in C, and recordings come from anywhere. The processes are forked from a server
process that has loaded the decoders and nothing more; each decodes one recording at a time, and is reused.
"""

from __future__ import annotations

import atexit
import multiprocessing as mp
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from pcqtool.audio.channel_segmenter import Chunk
from pcqtool.audio.limits import Limits
from pcqtool.audio.reader import ReaderOptions, RecordingInfo, SegmentReader
from pcqtool.audio.turns import Turn
from pcqtool.batch.decoder_server import lock, start_server, without_main_module
from pcqtool.errors import AccessError, AudioError, PcqtoolError
from pcqtool.files.display import display_path

PIECE_CHUNKS = 4  # of up to 30 s, 2 MB each
GRACE_S = 10.0  # then a process that does not end by its own alarm is abandoned: it hangs in the kernel
MAX_BYTES = 4 << 30  # memory that a decoder may use

_idle: list[Worker] = []


class WorkerReply(NamedTuple):
    """A piece of a recording.

    Attributes:
        chunks: the next chunks, fewer than requested at the end.
        info: facts about the recording that are known so far.
        error: class, text and hint of the error that was raised.
    """

    chunks: list[Chunk]
    info: RecordingInfo
    error: tuple[type[PcqtoolError], str, str] | None


class SubprocessReader:
    """A ``Reader`` that decodes in another process.

    Args:
        path: any recording.
        options: how to read it.
        limits: how long it may be, and how many channels it may have.
        timeout_s: longest time for the next piece.
        n_chunks: chunks of a piece.
        turns: who speaks when; None if it is unknown.

    Raises:
        AudioError: on iteration: as ``SegmentReader``; or if the decoder crashes, runs out of memory or times out.
    """

    def __init__(
        self,
        path: Path,
        options: ReaderOptions,
        limits: Limits,
        timeout_s: float,
        n_chunks: int = PIECE_CHUNKS,
        turns: Sequence[Turn] | None = None,
    ) -> None:
        self.path = path
        self.options = options
        self.limits = limits
        self.timeout_s = timeout_s
        self.n_chunks = n_chunks
        self.turns = turns
        self.info = RecordingInfo()

    def __iter__(self) -> Iterator[Chunk]:
        worker = _take_worker()
        try:
            path = self.path.absolute()  # the process may have another working directory
            recording: object = (path, self.options, self.limits, self.turns)
            while True:
                reply = worker.request(recording, self.timeout_s, self.n_chunks)
                self.info = reply.info
                yield from reply.chunks
                if reply.error is not None:
                    kind, what, hint = reply.error
                    raise kind(what.replace(display_path(path), display_path(self.path)), hint)
                if len(reply.chunks) < self.n_chunks:
                    return
                recording = None
        finally:
            if worker.is_usable:
                with lock:
                    _idle.append(worker)


class Worker:
    """A decoder process.

    Attributes:
        is_usable: whether it can take another request.
    """

    def __init__(self) -> None:
        start_server()
        context: Any = mp.get_context("forkserver")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), name="decode", daemon=True)
        with lock, without_main_module():
            self._process.start()
        theirs.close()
        self.is_usable = True

    @property
    def is_running(self) -> bool:
        """Whether the process still runs: the system may have killed it while it was idle."""
        return self.is_usable and self._process.is_alive()

    def request(self, recording: object, timeout_s: float, n_chunks: int = PIECE_CHUNKS) -> WorkerReply:
        """Request the next piece.

        Args:
            recording: path, options, limits and turns of a new recording; None for the one being read.
            timeout_s: longest time to wait.
            n_chunks: chunks of the piece.

        Raises:
            AudioError: if the process has ended meanwhile.
        """
        self.is_usable = False
        try:
            self._connection.send((recording, timeout_s, n_chunks))
            if not self._connection.poll(timeout_s + GRACE_S):
                raise self._time_out(timeout_s)
            reply: WorkerReply = self._connection.recv()
        except (EOFError, OSError):
            raise self._diagnose(timeout_s) from None
        self.is_usable = True
        return reply

    def disconnect(self) -> None:
        """Close the connection, upon which the process ends."""
        self._connection.close()

    def close(self) -> None:
        """End the process, by force if necessary."""
        self.disconnect()
        with lock:
            self._process.join(1.0)
            self._process.kill()

    def _diagnose(self, timeout_s: float) -> AudioError:
        """Return an error that states why the process has ended."""
        with lock:
            self._process.join(GRACE_S)
            number = -(self._process.exitcode or 0)
        if number == signal.SIGALRM:
            return self._time_out(timeout_s)
        if number == signal.SIGKILL:  # no recording makes a decoder do this
            return AccessError("its decoder was killed", "Check the memory. The next run tries again.")
        try:
            by = signal.Signals(number).name
        except ValueError:
            by = f"exit code {-number}"
        return AudioError(f"its decoder crashed ({by})", "The file is damaged or malicious.")

    def _time_out(self, timeout_s: float) -> AudioError:
        self.close()
        return AccessError(f"its decoder gave no output for {timeout_s:g} s", "Raise --timeout if the disk is slow.")


def serve(connection: Connection[Any, Any]) -> None:
    """Answer requests in the decoder process until the connection is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the run, which closes the connection when it ends
        signal.signal(number, signal.SIG_IGN)
    _limit_resources()
    reader = SegmentReader("")
    chunks: Iterator[Chunk] = iter(())
    with suppress(EOFError, OSError):
        while True:
            recording, timeout_s, n_chunks = connection.recv()
            if recording is not None:
                reader = SegmentReader(*recording)
                chunks = iter(reader)
            signal.setitimer(signal.ITIMER_REAL, timeout_s)  # ends the process in any state, also without a parent
            reply = _read_piece(reader, islice(chunks, n_chunks))
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send(reply)


def start() -> None:
    """Start a worker before the first recording is there."""
    worker = Worker()
    with lock:
        _idle.append(worker)


def _take_worker() -> Worker:
    with lock:
        while _idle:
            worker = _idle.pop()
            if worker.is_running:
                return worker
        return Worker()


def _read_piece(reader: SegmentReader, chunks: Iterator[Chunk]) -> WorkerReply:
    found: list[Chunk] = []
    error: tuple[type[PcqtoolError], str, str] | None = None
    try:
        found += chunks
    except PcqtoolError as fault:
        error = type(fault), fault.what, fault.hint
    except MemoryError:
        error = _memory_error(), "its decoder needs too much memory", ""
    except OSError as fault:
        error = AccessError, f"cannot be read further ({fault.strerror or fault})", ""
    except Exception as fault:  # a decoder may raise anything: the file is at fault
        error = AudioError, f"{type(fault).__name__}: {fault}", ""
    return WorkerReply(found, reader.info, error)


def _memory_error() -> type[AudioError]:
    """Return the class of a memory error: the recording is at fault unless another limit than ours was reached."""
    import resource

    unlimited = resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
    return AudioError if unlimited and resource.getrlimit(resource.RLIMIT_DATA)[0] == MAX_BYTES else AccessError


def _limit_resources() -> None:
    """Silence stdio and cap the worker's memory."""
    import resource

    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # C libraries write to stderr what the table states in the column error
        os.dup2(nothing, descriptor)
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MAX_BYTES if most == resource.RLIM_INFINITY else min(MAX_BYTES, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@atexit.register
def _close_all() -> None:
    for worker in _idle:
        worker.disconnect()
    while _idle:
        _idle.pop().close()
