from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.errors import SettingsError
from pcqtool.report.paper_table import (
    PaperTable,
    check_table_path,
    csv_text,
    latex,
    latex_text,
    markdown,
    markdown_text,
    write_table,
)

TABLE = PaperTable(
    title="A title",
    columns=("run", "UA, %", "mark"),
    rows=[("a_b", "+1.5 (-0.5 to 3.5)", ""), ("c|d", "-2.0", "LEAKS")],
    notes=["95 % intervals."],
    records=[{"run": "a_b", "ua": 0.015}, {"run": "c|d", "ua": None}],
    document={"schema": "pcqtool.test/1", "name": "ä"},
)


def test_latex_uses_booktabs_and_aligns_numbers():
    text = latex(TABLE)
    assert "\\begin{tabular}{lrl}\n\\toprule\nrun & UA, \\% & mark \\\\\n\\midrule\n" in text
    assert "a\\_b & +1.5 ($-$0.5 to 3.5) &  \\\\\nc\\textbar{}d & $-$2.0 & LEAKS \\\\\n\\bottomrule" in text
    assert "{\\footnotesize\n95 \\% intervals.\\par\n}" in text


def test_markdown_is_a_table_of_github():
    lines = markdown(TABLE).splitlines()
    assert lines[:2] == ["| run | UA, % | mark |", "| --- | --: | --- |"]
    assert lines[3] == r"| c\|d | -2.0 | LEAKS |"
    assert lines[-1] == "95 % intervals."


def test_csv_has_all_digits_and_empty_cells():
    assert csv_text(TABLE) == "run,ua\na_b,0.015\nc|d,\n"


@pytest.mark.parametrize("suffix", ["tex", "csv", "md", "json", "JSON"])
def test_the_suffix_sets_the_format(tmp_path, suffix):
    write_table(TABLE, tmp_path / f"t.{suffix}")
    assert (tmp_path / f"t.{suffix}").read_text(encoding="utf-8")
    if suffix.lower() == "json":
        assert json.loads((tmp_path / f"t.{suffix}").read_text(encoding="utf-8")) == TABLE.document


@pytest.mark.parametrize("name", ["t", "t.xlsx", "t.tex.bak"])
def test_an_unknown_format_is_refused_with_the_list(tmp_path, name):
    with pytest.raises(SettingsError, match=r"\.tex, \.csv, \.md, \.json"):
        check_table_path(tmp_path / name)


@given(st.text(max_size=40))
def test_no_character_has_a_meaning_of_its_own_in_latex(text):
    escaped = latex_text(text).replace("$-$", "").replace("$\\pm$", "").replace("$\\rightarrow$", "")
    plain = re.sub(r"\\text(backslash|asciitilde|asciicircum|less|greater|bar)\{\}|\\[&%$#_{}]", "", escaped)
    assert not set(plain) & set("\\&%$#_{}~^\n")


@given(st.text(max_size=40))
def test_no_cell_of_markdown_ends_early(text):
    escaped = markdown_text(text)
    assert not re.search(r"[|<`*_]", re.sub(r"\\.", "", escaped))
    assert "\n" not in escaped


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\x00"), max_size=40))
def test_csv_gives_texts_back(text):
    table = PaperTable("", ("run",), [("",)], (), [{"run": text, "n": 1}], {})
    assert next(csv.DictReader(io.StringIO(csv_text(table), newline="")))["run"] == text
