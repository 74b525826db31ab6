"""``pcqtool clips`` as users run it, and what they do with the clips."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.toy_results import event_row, file_row, write_result


@pytest.fixture
def result(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    events = []
    for number, name in enumerate(("one.wav", "two.flac")):
        (tmp_path / "calls").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "calls" / name, rng.normal(0, 0.1, (96000, 2)), 8000)
        events += [event_row(name, n, n + 2.0, "anger", 0.9 - n / 100, channel=str(number)) for n in range(3)]
        events += [event_row(name, 6.0, 9.0, "sadness", 0.6, channel=str(number))]
    files = [file_row("one.wav"), file_row("two.flac")]
    return write_result(tmp_path / "r.parquet", files, events=events, root=tmp_path / "calls")


def test_clips_that_were_corrected_are_a_corpus(pcqtool, result, tmp_path):
    done = pcqtool("clips", "r.parquet", "--label", "anger", "--label", "sadness", "--top", "2", "--out", "clips")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "clips   anger 2, sadness 2"
    table = tmp_path / "clips" / "metadata.csv"
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    label = rows[0].index("label")
    rows[1][label] = "frustration"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)  # as a spreadsheet does where the comma is the decimal mark
    valid = pcqtool("corpora", "validate", "manifest", "--root", "clips", "--json")
    assert valid.returncode == 0, valid.stdout + valid.stderr
    shown = pcqtool("corpora", "validate", "manifest", "--root", "clips").stdout
    assert "frustration" in shown
    assert "faults      none" in shown


def test_a_missing_recording_is_a_warning_and_exit_code_3(pcqtool, result, tmp_path):
    (tmp_path / "calls" / "two.flac").unlink()
    done = pcqtool("clips", "r.parquet", "--out", "clips", "--json", "--margin", "0.5")
    assert done.returncode == 3
    assert done.stderr.startswith("warning: two.flac: ")
    assert len(done.stderr.splitlines()) == 1
    found = json.loads(done.stdout)
    assert (found["schema"], found["table"]) == ("pcqtool.clips/1", "clips/metadata.csv")
    assert {clip["event"]["file"] for clip in found["clips"]} == {"one.wav"}
    assert found["failures"].keys() == {"two.flac"}
    assert {path.name for path in (tmp_path / "clips").iterdir()} == {
        "metadata.csv",
        *(clip["file_name"] for clip in found["clips"]),
    }
    assert pcqtool("corpora", "validate", "manifest", "--root", "clips").returncode == 0


def test_recordings_elsewhere_and_no_events(pcqtool, result, tmp_path):
    shutil.move(tmp_path / "calls", tmp_path / "moved")
    assert pcqtool("clips", "r.parquet", "--out", "clips", "--audio", "moved").returncode == 0
    none = pcqtool("clips", "r.parquet", "--out", "none", "--label", "neutral")
    assert (none.returncode, none.stdout) == (0, "clips  none\n")
    assert none.stderr == "warning: no event was found, so nothing was written\n"


def test_corrected_labels_are_not_overwritten(pcqtool, result, tmp_path):
    assert pcqtool("clips", "r.parquet", "--out", "clips").returncode == 0
    again = pcqtool("clips", "r.parquet", "--out", "clips")
    assert (again.returncode, again.stdout) == (2, "")
    assert "corrected labels" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--label", "joyy"), "no label 'joyy'"), (("--max-duration", "0"), "max_duration_s"), (("--top", "0"), "--top")],
)
def test_usage_errors(pcqtool, result, arguments, message):
    done = pcqtool("clips", "r.parquet", "--out", "clips", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
