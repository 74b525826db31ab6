"""Display of progress: a bar on a terminal, otherwise one plain line per minute."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from pcqtool.cli.common.text import one_line

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

LINE_EVERY_S = 60.0


class ProgressDisplay(Protocol):
    """A display of finished work on stderr."""

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Add finished work.

        Args:
            amount: in the display's unit.
            note: a few words shown after the figures, such as ``212 × real time``.
        """


class ProgressLines:
    """A plain line per interval, also while nothing is finished if another thread calls ``log_if_due``.

    Args:
        log: is called with a line, and with its figures as keyword arguments.
        done: amount that was finished before; it does not count for the speed.
        total: amount of work; None if unknown.
        unit: what is counted, in the plural.
        every_s: the interval in seconds; the first line appears after one interval.
        clock: returns seconds since a fixed time.
    """

    def __init__(
        self,
        log: Callable[..., None],
        done: float,
        total: float | None,
        unit: str,
        every_s: float,
        clock: Callable[[], float],
    ) -> None:
        self.log = log
        self.total = total
        self.unit = unit
        self.every_s = every_s
        self.clock = clock
        self.done = self.done_before = done
        self.started_s = self.last_line_s = clock()
        self.note = ""
        self._lock = threading.Lock()

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Add finished work, and log a line if the interval has passed."""
        self.done += amount
        self.note = note
        self.log_if_due()

    def log_if_due(self) -> None:
        """Log a line if the interval has passed."""
        with self._lock:
            now_s = self.clock()
            if now_s - self.last_line_s < self.every_s:
                return
            self.last_line_s = now_s
        line = progress_line(self.done, self.total, self.unit, now_s - self.started_s, self.done_before)
        line = f"{line}, {self.note}" if self.note else line
        self.log(line, done=self.done, total=self.total, unit=self.unit)


class _ProgressBar:
    def __init__(self, shown: RichProgress, done: float, total: float | None, unit: str) -> None:
        self.shown = shown
        self.total = total
        self.unit = unit
        self.done = done
        self.task = shown.add_task("", total=total, amount=_amount(done, total, unit), note="")
        shown.update(self.task, completed=done)

    def advance(self, amount: float = 1, note: str = "") -> None:
        self.done += amount
        done = _amount(self.done, self.total, self.unit)
        note = one_line(note) or self.shown.tasks[0].fields["note"]
        self.shown.update(self.task, completed=self.done, amount=done, note=note)


@contextmanager
def progress_bar(done: float, total: float | None, unit: str) -> Iterator[ProgressDisplay]:
    """Draw a bar on stderr while the block runs, and remove it afterwards.

    Args:
        done: amount that was finished before.
        total: amount of work; None if unknown.
        unit: what is counted, in the plural.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        BarColumn(),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    # stdout carries data and must not be drawn into the bar; messages on stderr appear above it.
    with RichProgress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as shown:
        yield _ProgressBar(shown, done, total, unit)


def progress_line(done: float, total: float | None, unit: str, elapsed_s: float, done_before: float = 0) -> str:
    """Return a line such as ``120 of 1,000 files (12 %), 2.1 files/s, 6 min 59 s left``."""
    parts = [_amount(done, total, unit)]
    if total:
        parts[0] += f" ({100 * done / total:.0f} %)"
    rate = (done - done_before) / elapsed_s if elapsed_s > 0 else 0.0
    if rate > 0:
        parts.append(f"{rate:,.1f} {unit}/s" if rate >= 1 else f"{60 * rate:,.1f} {unit}/min")
        left_s = math.inf if total is None else max(total - done, 0) / rate
        if math.isfinite(left_s):
            parts.append(f"{duration_in_words(left_s)} left")
    return ", ".join(parts)


def duration_in_words(seconds: float) -> str:
    """Return a duration for people to read: ``41 s``, ``6 min 59 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02d} min"


def _amount(done: float, total: float | None, unit: str) -> str:
    return f"{_number(done)} of {_number(total)} {unit}" if total is not None else f"{_number(done)} {unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
