"""The public function: formats, outputs and refusals."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import pcqtool
from pcqtool.exports.api import table_and_copy
from pcqtool.exports.registry import FORMATS
from pcqtool.tables.paths import OTHER_FORMATS

ROOT = Path(__file__).parents[2]
BAD = {"bad.wav": (None, {(None, None): ([], [])})}


@pytest.mark.parametrize("to", FORMATS)
def test_every_format_writes_inside_its_folder_and_again(results, tmp_path, to):
    out = tmp_path / "a" / "b"
    before = set(tmp_path.rglob("*"))
    first = pcqtool.export(results, to, out)
    assert all(path.is_file() and out in path.parents for path in first.paths)
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert new == set(first.paths)
    assert len(new) == len(first.paths)
    assert pcqtool.export(results, to, out) == first


@pytest.mark.parametrize("to", FORMATS)
def test_only_failed_rows(make_results, tmp_path, to):
    exported = pcqtool.export(make_results(BAD), to, tmp_path / "out")
    assert (exported.n_recordings, exported.n_unreadable) == (1, 1)
    assert bool(exported.paths) == (bool(FORMATS[to].suffix) or to == "audformat")


@pytest.mark.parametrize("to", FORMATS)
def test_no_events(make_results, tmp_path, to):
    silent = {"s.wav": (3.0, {("0", None): ([(0.0, 3.0, None)], [])})}
    exported = pcqtool.export(make_results(silent), to, tmp_path / "out")
    assert all(path.is_file() for path in exported.paths)
    assert exported.n_unreadable == 0


@pytest.mark.parametrize(
    ("to", "out", "what", "match"),
    [
        ("pdf", "x", None, "'pdf' is not a format.*\nUse audacity, .* vtt or xlsx"),
        ("srt", "x.srt", None, "several files\nName a folder, such as x"),
        ("csv", "x.parquet", None, r"ends in \.csv, or into a folder"),
        ("xlsx", "x.csv", None, r"ends in \.xlsx"),
        ("csv", "x", "events", "both events and segments.*\nOnly audacity, raven, rttm, srt, vtt"),
        ("srt", "x", "words", "what is 'words'"),
        ("srt", "", None, "a path is empty"),
    ],
)
def test_what_does_not_fit_is_refused(results, to, out, what, match):
    with pytest.raises(pcqtool.SettingsError, match=match):
        pcqtool.export(results, to, out, what=what)


@pytest.mark.parametrize("to", [name for name, each in FORMATS.items() if each.module])
def test_a_missing_package_is_named(results, tmp_path, monkeypatch, to):
    monkeypatch.setitem(sys.modules, FORMATS[to].module, None)
    with pytest.raises(pcqtool.SettingsError, match=r"not installed\npip install 'pcqtool\[export\]'"):
        pcqtool.export(results, to, tmp_path / "out")


def test_a_missing_table_is_an_error(tmp_path):
    with pytest.raises(pcqtool.TableError, match="no such file"):
        pcqtool.export(tmp_path / "none.parquet", "csv", tmp_path / "out")


def test_features_have_no_labels(write_wave, tmp_path):
    write_wave("a.wav")
    features = pcqtool.extract(tmp_path / "a.wav", what="statistics", of="spectrogram", vad=False)
    with pytest.raises(pcqtool.TableError, match="a table of features"):
        pcqtool.export(features, "csv", tmp_path / "out")


def test_an_output_that_is_a_file_is_an_error(results, tmp_path):
    (tmp_path / "taken").write_text("mine")
    for to in FORMATS:
        with pytest.raises(pcqtool.FileError, match="cannot be written"):
            pcqtool.export(results, to, tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_the_copy_of_a_labelling(tmp_path):
    assert table_and_copy(Path("x.csv")) == (Path("x.parquet"), Path("x.csv"))
    assert table_and_copy(Path("d/X.XLSX")) == (Path("d/X.parquet"), Path("d/X.XLSX"))
    for out in ("x.parquet", "x", "run-1.5"):
        assert table_and_copy(Path(out)) == (Path(out), None)
    (tmp_path / "d.csv").mkdir()
    assert table_and_copy(tmp_path / "d.csv") == (tmp_path / "d.csv", None)
    with pytest.raises(pcqtool.SettingsError, match=r"x\.json: results are written as \.parquet, \.csv or \.xlsx\n"):
        table_and_copy(Path("x.json"))


def test_suffixes_of_exports_are_no_directories():
    assert {each.suffix for each in FORMATS.values() if each.suffix} < OTHER_FORMATS
    assert {".eaf", ".srt", ".textgrid", ".vtt"} < OTHER_FORMATS


def test_the_page_lists_every_format():
    page = (ROOT / "docs/exports.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(FORMATS)
    docstring = pcqtool.export.__doc__ or ""
    assert all(f"``{name}``" in docstring for name in FORMATS)
