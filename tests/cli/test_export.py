"""``pcqtool export``, and copies that ``pcqtool label`` writes, from the command line."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from pcqtool.exports.registry import FORMATS

RECORDINGS = Path(__file__).parents[2] / "examples" / "recordings"


@pytest.fixture
def labelled(pcqtool, tmp_path) -> str:
    """The name of results of the example recordings."""
    done = pcqtool("label", str(RECORDINGS), "--out", "r.parquet", "--profile", "off", "--jobs", "1")
    assert done.returncode == 3, done.stderr
    return "r.parquet"


def test_every_format_of_real_results(pcqtool, labelled, tmp_path):
    for to in FORMATS:
        done = pcqtool("export", labelled, "--to", to, "--out", f"out/{to}", "--json")
        assert (done.returncode, done.stderr) == (0, ""), to
        shown = json.loads(done.stdout)
        assert (shown["n_recordings"], shown["n_unreadable"]) == (8, 1)
        assert all((tmp_path / path).is_file() for path in shown["paths"])
    done = pcqtool("export", labelled, "--to", "srt", "--out", "srt", "--what", "segments")
    assert done.stdout.splitlines() == ["recordings  8, 1 without audio", "files       8 written", "out         srt"]
    assert (tmp_path / "srt" / "branch" / "greeting.srt").read_text().startswith("1\n00:00:00,000 --> 00:00:03,000\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "pdf", "--out", "x"), "Use audacity, audformat, csv, eaf,"),
        (("--to", "srt", "--out", "x.srt"), "several files"),
        (("--to", "csv"), "--out"),
        (("--to", "eaf", "--out", "x", "--what", "events"), "both events and segments"),
    ],
)
def test_wrong_usage(pcqtool, arguments, message):
    done = pcqtool("export", "r.parquet", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_missing_results(pcqtool):
    done = pcqtool("export", "none.parquet", "--to", "csv", "--out", "x")
    assert done.returncode == 1
    assert "none.parquet: no such file" in done.stderr


def test_help_lists_the_formats_in_80_columns(pcqtool):
    done = pcqtool("export", "--help", COLUMNS="80")
    assert all(name in done.stdout for name in FORMATS)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_command_loads_no_heavy_library():
    code = "import sys, pcqtool.cli.export\nprint({'numpy', 'torch', 'polars', 'pyarrow', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_labelling_to_csv_resumes(pcqtool, tmp_path):
    arguments = ("--out", "x.csv", "--profile", "off", "--jobs", "1")
    done = pcqtool("label", str(RECORDINGS / "greeting.wav"), "--root", str(RECORDINGS), *arguments)
    assert done.returncode == 0, done.stderr
    lines = [line.split(None, 1) for line in done.stdout.splitlines()]
    assert ["table", "x.parquet"] in lines
    assert ["copies", "x.csv"] in lines
    assert ["resume", "later runs continue x.parquet, and write the copies again"] in lines
    names = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert names >= {f"x{kind}.{suffix}" for kind in ("", ".segments", ".events") for suffix in ("csv", "parquet")}
    done = pcqtool("label", str(RECORDINGS), *arguments, "--json")
    assert done.returncode == 3, done.stderr
    shown = json.loads(done.stdout)
    assert (shown["n_files"], shown["n_done_before"], shown["table"]["files"]) == (7, 1, 8)
    assert [Path(path).name for path in shown["copies"]] == ["x.csv", "x.segments.csv", "x.events.csv"]
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        assert len({row["file"] for row in csv.DictReader(file)}) == 8


def test_a_labelling_to_excel(pcqtool, tmp_path):
    done = pcqtool("label", str(RECORDINGS / "greeting.wav"), "--out", "x.xlsx", "--profile", "off", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert openpyxl.load_workbook(tmp_path / "x.xlsx").sheetnames == ["files", "segments", "events"]
    assert (tmp_path / "x.parquet").exists()


def test_a_labelling_in_another_format_is_refused_before_it_starts(pcqtool, tmp_path):
    done = pcqtool("label", str(RECORDINGS), "--out", "x.srt")
    assert done.returncode == 2
    assert "x.srt: results are written as .parquet, .csv or .xlsx" in done.stderr
    dry = pcqtool("label", str(RECORDINGS), "--out", "x.csv", "--dry-run")
    assert dry.returncode == 0
    assert list(tmp_path.iterdir()) == []
