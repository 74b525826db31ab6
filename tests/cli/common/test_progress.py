from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pcqtool.cli.common import console
from pcqtool.cli.common.progress import duration_in_words, progress_line
from pcqtool.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def work(clock, steps=10, step_s=15.0, **settings):
    with console.progress(100, "files", clock=clock, **settings) as progress:
        for _ in range(steps):
            clock.now_s += step_s
            progress.advance(10, note="30 × real time")


def test_a_plain_line_a_minute_and_the_first_after_one(capsys):
    work(Clock())
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "40 of 100 files (40 %), 40.0 files/min, 1 min 30 s left, 30 × real time",
        "80 of 100 files (80 %), 40.0 files/min, 30 s left, 30 × real time",
    ]


def test_the_interval_can_be_chosen(capsys):
    work(Clock(), every_s=15)
    assert len(capsys.readouterr().err.splitlines()) == 10


def test_quiet_says_nothing(capsys):
    console.set_level(console.Level.QUIET)
    work(Clock())
    assert capsys.readouterr().err == ""


def test_unknown_total(capsys):
    clock = Clock()
    with console.progress(None, "files", clock=clock) as progress:
        clock.now_s += 60
        progress.advance(600)
    assert capsys.readouterr().err == "600 files, 10.0 files/s\n"


def test_work_of_an_earlier_run_does_not_count_for_the_speed(capsys):
    clock = Clock()
    with console.progress(100, "epochs", done=80, clock=clock) as progress:
        clock.now_s += 60
        progress.advance(10)
    assert capsys.readouterr().err == "90 of 100 epochs (90 %), 10.0 epochs/min, 1 min 00 s left\n"


def test_reported_progress_has_a_display_per_unit(capsys, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(console, "progress", partial(console.progress, clock=clock))
    with console.reporting() as report:
        for done, total, unit in ((0, 8, "segments"), (8, 8, "segments"), (5, 10, "epochs"), (6, 10, "epochs")):
            report(Progress(done, total, unit, note="fine"))
            clock.now_s += 60
    assert capsys.readouterr().err.splitlines() == [
        "8 of 8 segments (100 %), 8.0 segments/min, 0 s left, fine",
        "5 of 10 epochs (50 %), fine",
        "6 of 10 epochs (60 %), 1.0 epochs/min, 4 min 00 s left, fine",
    ]


def test_short_stages_have_a_line_a_minute_together(capsys, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(console, "progress", partial(console.progress, clock=clock))
    with console.reporting() as report:
        for stage in ("read", "augmented", "encoded", "predicted"):
            report(Progress(0, 2, stage))
            clock.now_s += 25
            report(Progress(2, 2, stage))
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == ["2 of 2 encoded (100 %)"]


def test_a_step_that_takes_long_is_reported_meanwhile(capsys, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(console, "progress", partial(console.progress, clock=clock))
    monkeypatch.setattr(console, "_WATCH_EVERY_S", 0.01)
    with console.reporting() as report:
        report(Progress(0, 4, "folds"))
        report(Progress(1, 4, "folds", "fold s0"))
        for _ in range(2):
            clock.now_s += 60
            time.sleep(0.5)
    assert capsys.readouterr().err.splitlines() == [
        "1 of 4 folds (25 %), 1.0 folds/min, 3 min 00 s left, fold s0",
        "1 of 4 folds (25 %), 0.5 folds/min, 6 min 00 s left, fold s0",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.6, "1 h 00 min"), (90061, "25 h 01 min")],
)
def test_duration(seconds, text):
    assert duration_in_words(seconds) == text


@example(2.2250738585e-313, 1.0, 1.0)  # so slow that the time left is no number
@example(1.0, 5e-324, 5e-324)
@given(st.floats(0, 1e9), st.none() | st.floats(0, 1e9), st.floats(0, 1e6))
def test_every_state_can_be_described(done, total, elapsed_s):
    line = progress_line(done, total, "s", elapsed_s)
    assert "\n" not in line
    assert "nan" not in line
    assert "-" not in line.replace("e-", "")


DRAWS = """
import time
from pcqtool.cli.common import console
with console.progress(3, "files") as progress:
    for name in "abc":
        progress.advance()
        console.warn(name + ".wav")
    time.sleep(0.2)
console.print_text("data")
"""


def test_on_a_terminal_a_bar_on_stderr_and_data_alone_on_stdout():
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", DRAWS],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        text=True,
    ) as process:
        out, _ = process.communicate(timeout=60)
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert out == "data\n"
    assert "3 of 3 files" in shown.decode()
    assert "a.wav" in shown.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux: nothing more will come
        return b""
