"""How far the work is: a bar on a terminal, else one plain line a minute."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from pcqtool.cli.common.text import one_line

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

LINE_EVERY_S = 60.0


class Progress(Protocol):
    """What a command tells while it works."""

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Count work as done.

        Args:
            amount: in the unit that the progress was opened with.
            note: a few words shown behind the figures, for instance ``212 × real time``.
        """


class Lines:
    """A plain line whenever an interval has passed.

    Args:
        say: takes a line, and the figures in it by name.
        total: amount of work, None where it is not known.
        unit: what is counted, in the plural.
        every_s: the interval in seconds; the first line comes after as long.
        clock: seconds since any moment.
    """

    def __init__(
        self, say: Callable[..., None], total: float | None, unit: str, every_s: float, clock: Callable[[], float]
    ) -> None:
        self.say = say
        self.total = total
        self.unit = unit
        self.every_s = every_s
        self.clock = clock
        self.done: float = 0
        self.started_s = self.said_s = clock()

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Count work as done, and say so if it is time."""
        self.done += amount
        now_s = self.clock()
        if now_s - self.said_s >= self.every_s:
            self.said_s = now_s
            line = describe(self.done, self.total, self.unit, now_s - self.started_s)
            self.say(f"{line}, {note}" if note else line, done=self.done, total=self.total, unit=self.unit)


class _Bar:
    """A bar that rich draws."""

    def __init__(self, shown: RichProgress, total: float | None, unit: str) -> None:
        self.shown = shown
        self.total = total
        self.unit = unit
        self.done: float = 0
        self.task = shown.add_task("", total=total, amount=_amount(0, total, unit), note="")

    def advance(self, amount: float = 1, note: str = "") -> None:
        self.done += amount
        done = _amount(self.done, self.total, self.unit)
        note = one_line(note) or self.shown.tasks[0].fields["note"]
        self.shown.update(self.task, completed=self.done, amount=done, note=note)


@contextmanager
def bar(total: float | None, unit: str) -> Iterator[Progress]:
    """Draw a bar on stderr while the block runs; it is gone afterwards.

    Args:
        total: amount of work, None where it is not known.
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
    # stdout carries data and must not be drawn into the bar; what is said on stderr appears above it.
    with RichProgress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as shown:
        yield _Bar(shown, total, unit)


def describe(done: float, total: float | None, unit: str, elapsed_s: float) -> str:
    """One line about the work: ``120 of 1,000 files (12 %), 2.1 files/s, 6 min 59 s left``."""
    parts = [_amount(done, total, unit)]
    if total:
        parts[0] += f" ({100 * done / total:.0f} %)"
    rate = done / elapsed_s if elapsed_s > 0 else 0.0
    if rate > 0:
        parts.append(f"{rate:,.1f} {unit}/s" if rate >= 1 else f"{60 * rate:,.1f} {unit}/min")
        left_s = math.inf if total is None else max(total - done, 0) / rate
        if math.isfinite(left_s):
            parts.append(f"{duration(left_s)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as people say them: ``41 s``, ``6 min 59 s``, ``2 h 05 min``."""
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
