from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.cli import console


def test_data_and_talk_are_kept_apart(capsys):
    console.print_text("data")
    console.info("note")
    console.warn("careful")
    console.error("broken", "mend it")
    console.debug("detail")
    said = capsys.readouterr()
    assert said.out == "data\n"
    assert said.err == "note\nwarning: careful\nerror: broken\nmend it\n"


def test_quiet_keeps_warnings_and_errors(capsys):
    console.set_level(console.Level.QUIET)
    console.info("note")
    console.warn("careful")
    assert capsys.readouterr().err == "warning: careful\n"


@dataclass
class Row:
    path: Path
    share: float


def test_json_takes_paths_dataclasses_numpy_and_nan(capsys):
    console.print_json({"row": Row(Path("ä.wav"), float("nan")), "n": np.int64(3), "p": (np.float32(0.5), np.inf)})
    out = capsys.readouterr().out
    assert "ä.wav" in out
    assert json.loads(out) == {"row": {"path": "ä.wav", "share": None}, "n": 3, "p": [0.5, None]}


@given(st.text())
def test_no_text_sends_control_characters_or_fails(text):
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n")
    before, sys.stdout = sys.stdout, out
    try:
        console.print_text(text)
    finally:
        sys.stdout = before
    written = out.buffer.getvalue().decode()
    assert not [c for c in written if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160]


def test_names_that_are_no_unicode_are_escaped(capsys):
    console.print_json({"file": "\udcff.wav"})
    assert json.loads(capsys.readouterr().out) == {"file": "\udcff.wav"}


def test_table_when_piped_is_aligned_and_one_line_a_row(capsys):
    console.print_table(("name", "n"), [("a" * 300, 1), ("b\x1b[2J", 20), (None, 3)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[1] == "a" * 300 + "   1"
    assert lines[2].startswith("b\\x1b[2J ")
    assert lines[3].strip() == "3"


def test_table_takes_rich_markup_as_text(capsys):
    console.print_table(("name",), [("[red]x[/red]",)])
    assert "[red]x[/red]" in capsys.readouterr().out


def test_fields_are_aligned_and_empty_ones_left_out(capsys):
    console.print_fields({"a": 1, "long": "x\ny", "none": None, "empty": ""})
    assert capsys.readouterr().out == "a     1\nlong  x\n      y\n"


def test_closed_stream_is_no_fault(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    console.print_text("x")
    console.print_table(("a",), [("b",)])


@pytest.mark.parametrize("cells", [[], [("x",)]])
def test_table_of_any_length(capsys, cells):
    console.print_table(("a",), cells)
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(cells)
