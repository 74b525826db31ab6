"""``pcqtool show`` as users run it: in a pipe, on a terminal, with and without colours, and as JSON."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pcqtool.report.label_look import label_colour
from tests.toy_results import event_row, file_row, segment_row, write_result

CALL = "2026/07/a-rather-long-name-of-a-call-with-a-customer.wav"


@pytest.fixture
def result(tmp_path) -> Path:
    files = [
        file_row(CALL, "0", shares=(0.25, 0.75, 0.0), talk_share=0.25, speech_s=3.0, duration_s=120.0),
        file_row(CALL, "1", shares=(0.0, 0.0, 1.0), talk_share=0.75, speech_s=9.0, duration_s=120.0),
        *(file_row(f"broken {n}.wav", None, "failed", error="not audio") for n in range(7)),
    ]
    labels = ("neutral", "neutral", None, "anger")
    segments = [segment_row(CALL, n, labels[n % 4], channel) for channel in ("0", "1") for n in range(40)]
    events = [event_row(CALL, 0, 6, "neutral"), event_row(CALL, 60, 120, "sadness", 0.9, channel="1")]
    return write_result(tmp_path / "r.parquet", files, segments, events)


def on_terminal(environment, *arguments: str, columns: int = 80, cwd: Path, **env: str) -> str:
    """Run the program on a terminal of this width; return what it shows."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pcqtool", *arguments],
        stdout=slave,
        stdin=slave,
        stderr=subprocess.DEVNULL,
        cwd=cwd,
        env=environment(COLUMNS=str(columns), TERM="xterm-256color", COLORTERM="truecolor", **env),
    )
    os.close(slave)
    shown = b""
    try:
        while more := os.read(master, 1 << 16):
            shown += more
    except OSError:  # the program has closed the terminal
        pass
    os.close(master)
    assert process.wait() == 0
    return shown.decode().replace("\r\n", "\n")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def test_a_pipe_gets_plain_text(pcqtool, result):
    done = pcqtool("show", result.name)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    for line in (
        "recordings  8 (9 channels or speakers)",
        "audio       2 min 00 s",
        "speech      12 s",
        "status      failed 7, ok 2",
        "Emotions by time",
        "broken 0.wav: not audio",
        "and 2 more",
    ):
        assert line in lines
    bars = [line.count("█") for line in lines if "█" in line]
    assert bars == [40, 30, 10]
    assert re.search(rf"sadness +{CALL} +1 +0:01:00 +60\.0 s +0\.80 +0\.90", done.stdout)
    assert "and 2 more" not in pcqtool("show", result.name, "--all").stdout


def test_a_recording_has_a_timeline_with_letters(pcqtool, result):
    done = pcqtool("show", result.name, CALL.rpartition("/")[2])
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    first, second, marks = done.stdout.split("\nTimeline\n")[1].splitlines()[:3]
    assert len(first) == len(second) == 80
    assert first.startswith("channel 0  NNNN·a")
    assert set(second[11:]) == set("na·S")
    assert marks.split() == [f"|0:0{n // 60}:{n % 60:02}" for n in range(0, 120, 30)]
    assert "A anger  N neutral  S sadness  small letter: no event  · not classified" in done.stdout
    assert "and 60 more (--all shows them)" in done.stdout
    assert len(pcqtool("show", result.name, CALL, "--all").stdout.split("\nSegments\n")[1].splitlines()) == 81


@pytest.mark.parametrize("file", [(), (CALL,)], ids=["overview", "recording"])
@pytest.mark.parametrize("columns", [80, 70])
def test_a_terminal_is_not_too_narrow(environment, result, file, columns):
    shown = on_terminal(environment, "show", result.name, *file, columns=columns, cwd=result.parent)
    assert max(map(len, plain(shown).splitlines())) <= columns
    red, green, blue = (int(label_colour("anger")[n : n + 2], 16) for n in (1, 3, 5))
    assert f"38;2;{red};{green};{blue}m" in shown


def test_no_color_has_letters(environment, result):
    shown = on_terminal(environment, "show", result.name, CALL, cwd=result.parent, NO_COLOR="1")
    assert "38;2" not in shown
    assert "small letter: no event" in shown


def test_text_of_ascii_alone(pcqtool, result):
    for file in ((), (CALL,)):
        done = pcqtool("show", result.name, *file, PYTHONIOENCODING="ascii")
        assert done.stdout.isascii()
        assert "\\u" not in done.stdout
        assert "####" in done.stdout


def test_json_is_one_value_with_its_schema(pcqtool, result):
    overview = json.loads(pcqtool("show", result.name, "--json", "--top", "2").stdout)
    assert (overview["schema"], overview["result"]) == ("pcqtool.show/1", "r.parquet")
    assert overview["summary"]["label_time_s"] == {"sadness": 10.0, "neutral": 7.5, "anger": 2.5}
    assert overview["summary"]["strongest"]["sadness"][0]["file"] == CALL
    one = json.loads(pcqtool("show", result.name, CALL, "--json").stdout)
    assert one["schema"] == "pcqtool.show/1"
    assert one["recording"]["file"] == CALL
    assert [len(track["segments"]) for track in one["recording"]["tracks"]] == [40, 40]


def test_an_unknown_file_is_an_error_with_similar_names(pcqtool, result):
    done = pcqtool("show", result.name, "brokn 3.wav")
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert first.startswith("error: no recording brokn 3.wav in ")
    assert second.startswith("Similar: broken 3.wav, ")


@pytest.mark.parametrize(
    "files", [[], [file_row("a.wav", None, "failed", error="not audio")], [file_row("a.wav", status="no_speech")]]
)
@pytest.mark.parametrize("events", [(), None])
def test_results_with_little_to_show(pcqtool, tmp_path, files, events):
    path = write_result(tmp_path / "r.parquet", files, events=events)
    done = pcqtool("show", path.name)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"recordings  {len(files)}\n" in done.stdout
    assert "events" not in done.stdout
    assert json.loads(pcqtool("show", path.name, "--json").stdout)["summary"]["n_recordings"] == len(files)
    for row in files:
        one = pcqtool("show", path.name, row["file"])
        assert (one.returncode, one.stderr) == (0, "")
        assert "Timeline" not in one.stdout
        assert row["status"] in one.stdout


def test_what_is_not_a_result(pcqtool, tmp_path):
    done = pcqtool("show", "none.parquet")
    assert (done.returncode, done.stdout) == (1, "")
    assert "none.parquet: no such file" in done.stderr


def test_help_fits_80_columns(pcqtool):
    for command in ("show", "clips"):
        assert max(map(len, pcqtool(command, "--help", COLUMNS="80").stdout.splitlines())) <= 80
