"""Recordings decoded in processes of their own: a decoder that crashes or hangs costs its recording and nothing else.

libsndfile and FFmpeg are C, and recordings come from anywhere. The processes are forked from one that has loaded the
decoders and nothing more; each decodes one recording at a time, and is used again.
"""

from __future__ import annotations

import atexit
import multiprocessing as mp
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from pcqtool.audio.channel_segmenter import Chunk
from pcqtool.audio.limits import Limits
from pcqtool.audio.reader import ReaderOptions, RecordingInfo, SegmentReader
from pcqtool.errors import AccessError, AudioError, PcqtoolError
from pcqtool.files.display import display_path

PIECE = 4  # chunks of up to 30 s, 2 MB each
GRACE_S = 10.0  # until a process that does not end by its own alarm is given up: it hangs in the kernel
MAX_BYTES = 4 << 30  # of memory that a decoder may fill
POSSIBLE = "forkserver" in mp.get_all_start_methods()  # not on Windows
_LOADED = (__name__, "av", "onnxruntime", "soundfile", "soxr")  # before processes are forked

_lock = threading.RLock()  # a generator that is collected gives its worker back, wherever its thread is
_idle: list[Worker] = []


class WorkerReply(NamedTuple):
    """A piece of a recording, and what is known of it by now.

    Attributes:
        chunks: the next ones, fewer than ``PIECE`` at the end.
        info: facts about the recording so far.
        error: what was raised.
    """

    chunks: list[Chunk]
    info: RecordingInfo
    error: tuple[type[PcqtoolError], str, str] | None


class SubprocessReader:
    """A :class:`pcqtool.audio.reader.Reader` that decodes in another process.

    Args:
        path: any recording.
        reading: how it is read.
        limits: how much it may claim.
        timeout_s: longest time for the next piece.

    Raises:
        AudioError: on iteration: as ``SegmentReader``; or the decoder crashes, runs out of memory or times out.
    """

    def __init__(self, path: Path, reading: ReaderOptions, limits: Limits, timeout_s: float) -> None:
        self.path = path
        self.reading = reading
        self.limits = limits
        self.timeout_s = timeout_s
        self.info = RecordingInfo()

    def __iter__(self) -> Iterator[Chunk]:
        worker = _take()
        try:
            path = self.path.absolute()  # the process may be in another folder
            question: object = (path, self.reading, self.limits)
            while True:
                answer = worker.ask(question, self.timeout_s)
                self.info = answer.info
                yield from answer.chunks
                if answer.error is not None:
                    kind, what, hint = answer.error
                    raise kind(what.replace(display_path(path), display_path(self.path)), hint)
                if len(answer.chunks) < PIECE:
                    return
                question = None
        finally:
            if worker.alive:
                with _lock:
                    _idle.append(worker)


class Worker:
    """A process that decodes.

    Attributes:
        alive: whether it can be asked.
    """

    def __init__(self) -> None:
        context: Any = mp.get_context("forkserver")
        context.set_forkserver_preload(list(_LOADED))
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), name="decode", daemon=True)
        self._process.start()
        theirs.close()
        self.alive = True

    @property
    def waits(self) -> bool:
        """Whether it is still there to be asked: the system may have killed it meanwhile."""
        return self.alive and self._process.is_alive()

    def ask(self, question: object, timeout_s: float) -> WorkerReply:
        """Ask for the next piece; a new recording is named by path, reading and limits.

        Raises:
            AudioError: the process has ended over it.
        """
        self.alive = False
        try:
            self._connection.send((question, timeout_s))
            if not self._connection.poll(timeout_s + GRACE_S):
                raise self._late(timeout_s)
            answer: WorkerReply = self._connection.recv()
        except (EOFError, OSError):
            raise self._reason(timeout_s) from None
        self.alive = True
        return answer

    def close(self) -> None:
        """Let the process end, and see to it that it does."""
        self._connection.close()
        with _lock:
            self._process.join(1.0)
            self._process.kill()

    def _reason(self, timeout_s: float) -> AudioError:
        """Find out by whose fault the process has ended."""
        with _lock:
            self._process.join(GRACE_S)
            number = -(self._process.exitcode or 0)
        if number == signal.SIGALRM:
            return self._late(timeout_s)
        if number == signal.SIGKILL:  # nothing that a recording makes a decoder do
            return AccessError("its decoder was killed", "Is there enough memory? The next run tries again.")
        try:
            by = signal.Signals(number).name
        except ValueError:
            by = f"exit code {-number}"
        return AudioError(f"its decoder crashed ({by})", "The file is damaged, or was made to do harm.")

    def _late(self, timeout_s: float) -> AudioError:
        self.close()
        return AccessError(f"its decoder gave nothing for {timeout_s:g} s", "Raise --timeout if the disk is slow.")


def serve(connection: Connection[Any, Any]) -> None:
    """Answer until nobody asks any more."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the run, which closes the connection when it ends
        signal.signal(number, signal.SIG_IGN)
    _be_modest()
    reader = SegmentReader("")
    chunks: Iterator[Chunk] = iter(())
    with suppress(EOFError, OSError):
        while True:
            question, timeout_s = connection.recv()
            if question is not None:
                reader = SegmentReader(*question)
                chunks = iter(reader)
            signal.setitimer(signal.ITIMER_REAL, timeout_s)  # ends the process, whatever it is at, also as an orphan
            answer = _answer(reader, chunks)
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send(answer)


def _answer(reader: SegmentReader, chunks: Iterator[Chunk]) -> WorkerReply:
    found: list[Chunk] = []
    error: tuple[type[PcqtoolError], str, str] | None = None
    try:
        found += islice(chunks, PIECE)
    except PcqtoolError as fault:
        error = type(fault), fault.what, fault.hint
    except MemoryError:
        error = _scarce(), "its decoder needs too much memory", ""
    except OSError as fault:
        error = AccessError, f"cannot be read on ({fault.strerror or fault})", ""
    except Exception as fault:  # whatever a decoder may raise is this file's fault
        error = AudioError, f"{type(fault).__name__}: {fault}", ""
    return WorkerReply(found, reader.info, error)


def _scarce() -> type[AudioError]:
    """Return whose fault a lack of memory is: the recording's where it had all that a decoder may take."""
    import resource

    unlimited = resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
    return AudioError if unlimited and resource.getrlimit(resource.RLIMIT_DATA)[0] == MAX_BYTES else AccessError


def _be_modest() -> None:
    """Write nothing, and take no more memory than a recording needs."""
    import resource

    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # C libraries complain on stderr of what is told in the table
        os.dup2(nothing, descriptor)
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MAX_BYTES if most == resource.RLIM_INFINITY else min(MAX_BYTES, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def start() -> None:
    """Start a process, and the one that all are forked from, before there is a recording that waits for it."""
    worker = Worker()
    with _lock:
        _idle.append(worker)


def _take() -> Worker:
    with _lock:
        while _idle:
            worker = _idle.pop()
            if worker.waits:
                return worker
        return Worker()


@atexit.register
def _close_all() -> None:
    for worker in _idle:
        worker._connection.close()
    while _idle:
        _idle.pop().close()
