from __future__ import annotations

import shutil

import pytest

from pcqtool.batch.results import Results, read_results
from pcqtool.cli import app
from pcqtool.errors import SettingsError, TableError


@pytest.fixture
def table(call_folder, tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "results.parquet"
    assert app.main(["label", str(call_folder), "--model", str(tiny_model), "-o", str(out), "-q", "--vad", "off"]) in (
        0,
        3,
    )
    return out


def test_both_tables_are_copied(table, tmp_path):
    results = read_results(table)
    results.write(tmp_path / "copy.parquet")
    copy = read_results("copy.parquet")
    assert copy.path == tmp_path / "copy.parquet"
    assert copy.files.equals(results.files)
    assert copy.segments.equals(results.segments)
    assert copy.provenance == results.provenance


def test_what_cannot_be_written_is_a_clear_error(table, tmp_path):
    results = read_results(table)
    with pytest.raises(SettingsError, match="written as Parquet"):
        results.write("copy.csv")
    with pytest.raises(TableError, match="ends in"):
        results.write("copy")
    with pytest.raises(TableError, match="directory of parts"):
        Results(tmp_path).write("copy.parquet")
    shutil.move(table, tmp_path / "elsewhere.parquet")
    with pytest.raises(TableError, match="no longer exist"):
        results.write("copy.parquet")
    with pytest.raises(TableError):
        read_results(table)
