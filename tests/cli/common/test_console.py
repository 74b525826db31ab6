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

from pcqtool.cli.common import console
from pcqtool.cli.common.text import json_text
from tests.json_schemas import check_json


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


def test_json_takes_paths_dataclasses_numpy_and_nan():
    out = json_text({"row": Row(Path("ä.wav"), float("nan")), "n": np.int64(3), "p": (np.float32(0.5), np.inf)})
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
    assert not [c for c in written[:-1] if (ord(c) < 32 and c != "\t") or 127 <= ord(c) < 160]
    assert len(written.splitlines()) == 1


def test_names_that_are_no_unicode_are_escaped():
    assert json.loads(json_text({"file": "\udcff.wav"})) == {"file": r"\xff.wav"}


FORGED = "a.wav\nerror: all is lost\r\x1b[2K\u2028\x85\u202e"
SHOWN = r"a.wav\nerror: all is lost\r\x1b[2K\u2028\x85\u202e"


def test_a_name_forges_no_line(capsys):
    console.set_level(console.Level.DEBUG)
    console.info(FORGED)
    console.debug(FORGED)
    console.warn(FORGED)
    console.error(FORGED, FORGED)
    console.explain(FORGED, "second")
    console.print_text(FORGED)
    console.print_fields({"file": FORGED})
    console.print_table(("name", "n"), [(FORGED, 1)])
    said = capsys.readouterr()
    assert said.err.split("\n") == [
        SHOWN, SHOWN, f"warning: {SHOWN}", f"error: {SHOWN}", SHOWN, SHOWN, "second", ""
    ]  # fmt: skip
    text, field, _, row, end = said.out.split("\n")
    assert (text, field, row, end) == (SHOWN, f"file  {SHOWN}", f"{SHOWN}  1", "")


def test_headings_are_names_too(capsys):
    console.print_table(("[b]a[/b]\nerror: b",), [("x",)])
    assert capsys.readouterr().out == "[b]a[/b]\\nerror: b\nx\n"


def test_a_log_for_programs_has_an_object_a_line_that_every_parser_takes(capsys):
    console.log_as("json")
    console.warn(f"{FORGED} \udce9.wav")
    console.error("broken", FORGED)
    console.info("facts", file="\udce9", share=float("inf"))
    console.log_as("text")
    warned, failed, told = map(json.loads, capsys.readouterr().err.splitlines())
    check_json(warned)
    check_json(failed)
    assert warned["message"] == FORGED + r" \xe9.wav"
    assert (failed["message"], failed["hint"]) == ("broken", FORGED)
    assert (told["file"], told["share"]) == (r"\xe9", None)


def test_a_traceback_keeps_its_lines_and_passes_for_no_message(capsys):
    console.trace("Traceback:\n  File x\nValueError: a\nerror: b\x1b[2K")
    assert capsys.readouterr().err.splitlines() == [
        "traceback: Traceback:", "    File x", "  ValueError: a", r"  error: b\x1b[2K"
    ]  # fmt: skip


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
    console.print_fields({"a": 1, "long": ["x", "y"], "none": None, "empty": "", "zero": 0, "no lines": ()})
    assert capsys.readouterr().out == "a     1\nlong  x\n      y\nzero  0\n"


def test_closed_stream_is_no_fault(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    console.print_text("x")
    console.print_table(("a",), [("b",)])


@pytest.mark.parametrize("cells", [[], [("x",)]])
def test_table_of_any_length(capsys, cells):
    console.print_table(("a",), cells)
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(cells)
