"""Writing to stdout and stderr, even if they are closed, full or no longer read."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TextIO

from pcqtool.errors import ExitCode

STANDARD = (0, 1, 2)


def write(stream: TextIO | None, text: str) -> None:
    """Write a line and flush; ignore a reader that has left and a stream that the caller closed.

    Raises:
        OSError: if the stream cannot be written; the rest of the line is dropped.
    """
    if stream is None or stream.closed:  # closed by the caller, as in `pcqtool ... >&-`
        return
    with suppress(OSError, ValueError):  # a stream without a descriptor does not block
        os.set_blocking(stream.fileno(), True)  # the other end of a terminal or pipe may have changed it
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        _redirect_to_null(stream)
    except OSError:
        _drop(stream)
        raise


def encoding(stream: TextIO | None) -> str:
    """Return the name of a stream's encoding."""
    return (stream and stream.encoding) or "utf-8"


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal that accepts control characters."""
    return stream is not None and not stream.closed and stream.isatty() and os.environ.get("TERM") != "dumb"


def reopen_closed() -> None:
    """Open stdin, stdout and stderr on the null device if the caller closed them.

    Otherwise the next opened file gets their number, and a library's message on stderr ends up in a result.
    """
    for descriptor in STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one


def report_no_memory() -> ExitCode:
    """Report a lack of memory without allocating any."""
    with suppress(OSError):
        os.write(2, b"error: not enough memory\n")
    return ExitCode.FAILED


def _redirect_to_null(stream: TextIO) -> None:
    """Redirect a stream to the null device: Python flushes again at exit, and would fail then."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def _drop(stream: TextIO) -> None:
    """Drop the unwritten rest in a stream's buffer, which Python would otherwise write again at exit."""
    with suppress(OSError, ValueError):
        kept = os.dup(stream.fileno())
        try:
            _redirect_to_null(stream)
            stream.flush()
        finally:
            os.dup2(kept, stream.fileno())
            os.close(kept)
