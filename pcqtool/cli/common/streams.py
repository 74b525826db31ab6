"""Writing to stdout and stderr, which may be closed, full, or read by nobody any more."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TextIO

from pcqtool.errors import ExitCode

STANDARD = (0, 1, 2)


def write(stream: TextIO | None, text: str) -> None:
    """Write a line and flush; a reader that has gone away, or a stream that the caller closed, is no fault of the run.

    Raises:
        OSError: if the stream takes no more; what it did not take is dropped.
    """
    if stream is None or stream.closed:  # closed by the caller, as in `pcqtool ... >&-`
        return
    with suppress(OSError, ValueError):  # a stream without a descriptor does not block
        os.set_blocking(stream.fileno(), True)  # the other end of a terminal or a pipe may have changed that
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        _point_at_nothing(stream)
    except OSError:
        _drop(stream)
        raise


def encoding(stream: TextIO | None) -> str:
    """Name what a stream encodes text in."""
    return (stream and stream.encoding) or "utf-8"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether control characters may be sent there."""
    return stream is not None and not stream.closed and stream.isatty() and os.environ.get("TERM") != "dumb"


def occupy() -> None:
    """Open what the caller closed of stdin, stdout and stderr, towards nothing.

    Else the next file that is opened takes the place, and a library's complaint on stderr goes into a result.
    """
    for descriptor in STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free: this one


def give_up() -> ExitCode:
    """Say, with what needs no memory, that there is none."""
    with suppress(OSError):
        os.write(2, b"error: not enough memory\n")
    return ExitCode.FAILED


def _point_at_nothing(stream: TextIO) -> None:
    """Let all that comes vanish: Python flushes once more when it exits, and would complain then."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _drop(stream: TextIO) -> None:
    """Let go of what a stream did not take, which Python would try to write again when it exits."""
    with suppress(OSError, ValueError):
        kept = os.dup(stream.fileno())
        try:
            _point_at_nothing(stream)
            stream.flush()
        finally:
            os.dup2(kept, stream.fileno())
            os.close(kept)
