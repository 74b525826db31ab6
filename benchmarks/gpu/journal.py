"""The journal of a measurement: a line for each figure, written at once, so that a run that is cut off keeps them."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from pcqtool.errors import SettingsError

Figures = Mapping[str, Any]
DONE, FAILED, TIMED_OUT, SKIPPED, CUT_OFF = "done", "failed", "timed out", "skipped", "cut off"
LEAST_S = 2.0
"""Seconds below which a step is not begun."""


@dataclass
class Attempt:
    """The last attempt at a step.

    Attributes:
        state: how it ended; ``CUT_OFF`` if it has not.
        reason: why it was not done.
        seconds: how long it took.
        figures: what it measured, also if it did not get to its end.
    """

    state: str = CUT_OFF
    reason: str = ""
    seconds: float = 0.0
    figures: list[Figures] = field(default_factory=list)


class StepTimeout(BaseException):
    """A step has reached its limit; not an ``Exception``, so that no part of the step catches it."""


class Journal:
    """A file of JSON lines: first what was measured and where, then the steps.

    Args:
        path: the file; lines are added to what is there.
        about: machine and versions, by which figures can be compared; None to read a file of any machine.

    Attributes:
        about: the same.
        attempts: the last attempt at each step.

    Raises:
        SettingsError: if the file is about another machine, or is to be read and has no lines.
    """

    def __init__(self, path: Path, about: Figures | None) -> None:
        before = path.read_text("utf-8") if path.exists() else ""
        first, *entries = list(_entries(before)) or [{"about": about}]
        if first["about"] is None:
            raise SettingsError(f"{path}: there are no measurements", "Measure first, or name another file.")
        if about not in (None, first["about"]):
            raise SettingsError(f"{path}: holds figures of another machine, or of other versions", "Name another file.")
        self.about: Figures = first["about"]
        self.attempts: dict[str, Attempt] = {}
        for entry in entries:
            self._take(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        if before and not before.endswith("\n"):  # cut off within a line
            self._file.write("\n")
        if not before:
            self._write({"about": about})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def add(self, step: str, event: str, **content: Any) -> None:
        """Write a line, at once and to the disk."""
        entry = {"step": step, "event": event, **content}
        self._write(entry)
        self._take(entry)

    def figures(self, step: str) -> list[Figures]:
        """Return the figures of the last attempt at a step."""
        return self.attempts[step].figures if step in self.attempts else []

    def _write(self, entry: Figures) -> None:
        self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _take(self, entry: Figures) -> None:
        step = entry["step"]
        if entry["event"] == "begin" or step not in self.attempts:
            self.attempts[step] = Attempt()
        attempt = self.attempts[step]
        if entry["event"] == "figures":
            attempt.figures.append(entry["figures"])
        elif entry["event"] == "end":
            attempt.state, attempt.reason, attempt.seconds = entry["state"], entry["reason"], entry["seconds"]


@dataclass(frozen=True)
class Step:
    """A part of the measurement.

    Attributes:
        name: its name in the journal.
        limit_s: the longest it may take.
        measure: yields figures, each as soon as it is known.
    """

    name: str
    limit_s: float
    measure: Callable[[], Iterator[Figures]]


def run_steps(
    steps: Sequence[Step],
    journal: Journal,
    budget_s: float,
    on_end: Callable[[str, Attempt], None] = lambda name, attempt: None,
    again: Sequence[str] = (),
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run the steps that the journal does not call done; one that fails costs its own figures and no others.

    Args:
        steps: in the order of their worth.
        journal: where figures go.
        budget_s: seconds for all of them; a step for which too few are left is skipped.
        on_end: called after each step that was run or skipped.
        again: steps to be measured although they are done.
        clock: returns seconds since a fixed time.
    """
    started_s = clock()
    for step in steps:
        if step.name not in again and step.name in journal.attempts and journal.attempts[step.name].state == DONE:
            continue
        begun_s = clock()
        left_s = budget_s - (begun_s - started_s)
        if left_s < min(LEAST_S, step.limit_s):
            state, reason = SKIPPED, f"{max(0.0, left_s):.0f} s of {budget_s:.0f} s were left"
            if not journal.figures(step.name):  # else those of an earlier attempt stay
                journal.add(step.name, "begin")
        else:
            journal.add(step.name, "begin")
            state, reason = _attempt(step, journal, min(step.limit_s, left_s))
        journal.add(step.name, "end", state=state, reason=reason, seconds=round(clock() - begun_s, 2))
        on_end(step.name, journal.attempts[step.name])


def _attempt(step: Step, journal: Journal, limit_s: float) -> tuple[str, str]:
    try:
        with _time_limit(limit_s):
            for figures in step.measure():
                journal.add(step.name, "figures", figures=figures)
    except StepTimeout:
        return TIMED_OUT, f"it took longer than {limit_s:.0f} s"
    except Exception as error:
        return FAILED, reason_of(error)
    return DONE, ""


def reason_of(error: BaseException) -> str:
    """Return the kind of an error and its first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}"[:300] if lines else type(error).__name__


@contextmanager
def _time_limit(limit_s: float) -> Iterator[None]:
    """Raise ``StepTimeout`` after some seconds, where the operating system has a timer and this is the main thread."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_: int, __: FrameType | None) -> None:
        raise StepTimeout

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _entries(text: str) -> Iterator[Figures]:
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # the end of a run that was cut off
            continue
