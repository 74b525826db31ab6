"""The file of ``--metrics``: figures of a run for a monitoring system, however the run ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pcqtool.cli.common import console
from pcqtool.errors import ExitCode, FileError, PcqtoolError, TerminatedError

if TYPE_CHECKING:
    from pcqtool.batch.job import RunReport


@contextmanager
def written(file: Path | None, table: Path) -> Iterator[Callable[[RunReport], None]]:
    """Write the figures of the run inside the block when the block ends, also by an error.

    Args:
        file: the file to replace; None for no file.
        table: the run's output.

    Yields:
        A function that takes the run's report.

    Raises:
        FileError: if the file cannot be written after a run without an error; otherwise this is a warning.
    """
    reports: list[RunReport] = []
    began_s = time.monotonic()
    try:
        yield reports.append
    except BaseException as error:
        try:
            _write(file, table, _exit_code(error), began_s, reports)
        except FileError as fault:
            console.warn(fault.what)
        raise
    _write(file, table, ExitCode.DONE, began_s, reports)


def _write(file: Path | None, table: Path, exit_code: int, began_s: float, reports: list[RunReport]) -> None:
    from pcqtool.batch.prometheus import metrics_text
    from pcqtool.files.atomic import write_whole

    if file is None:
        return
    text = metrics_text(table, exit_code, time.monotonic() - began_s, time.time(), reports[-1] if reports else None)
    try:
        write_whole(file, text.encode())
    except FileError as fault:
        raise FileError(f"--metrics {fault.what}", "The tables are complete. Choose another file.") from fault


def _exit_code(error: BaseException) -> int:
    """Return the exit code that an error leads to."""
    if isinstance(error, typer.Exit | PcqtoolError | TerminatedError):
        return int(error.exit_code)
    return int(ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.FAILED)
