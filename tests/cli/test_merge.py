from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pcqtool.batch import plan
from pcqtool.cli import app
from pcqtool.tables.provenance import read_provenance
from pcqtool.tables.reader import read_events, read_files, read_segments
from pcqtool.tables.rewrite import read_columns
from pcqtool.tables.writer import write


@pytest.fixture
def parts(tmp_path, write_wave, tiny_model, monkeypatch, capsys):
    """The output of a run in parts; beside it lies that of the same run as one table."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "PART_FILES", 2)
    for number in range(5):
        write_wave(f"calls/{number}.wav", seconds=0.5 + 2 * number, seed=number)
    for out in ("parts", "single.parquet"):
        assert app.main(["label", "calls", "--model", str(tiny_model), "--vad", "off", "--out", out]) == 0
    capsys.readouterr()
    return tmp_path / "parts"


def test_rows_without_a_label_are_merged(parts, tiny_model, tmp_path, capsys):
    usual = ["label", "calls", "--model", str(tiny_model), "--vad", "off", "--min-confidence", "0.999999"]
    for out in ("unsure", "unsure.parquet"):
        assert app.main([*usual, "--out", out]) == 0
    assert app.main(["merge", "unsure", "--out", "all.parquet"]) == 0
    for read in (read_files, read_segments, read_events):
        expected = read(tmp_path / "unsure.parquet")
        assert expected["label"].null_count() == len(expected)
        assert_frame_equal(read(tmp_path / "all.parquet"), expected, check_exact=True)


def test_merged_parts_are_the_tables_of_a_single_run(parts, tmp_path, capsys):
    assert len(list((parts / "files").iterdir())) == 3
    assert app.main(["merge", "parts", "--out", "sub/all.parquet"]) == 0
    assert capsys.readouterr().out.startswith("parts     3\n")
    for read in (read_files, read_segments, read_events):
        expected = read(tmp_path / "single.parquet")
        assert_frame_equal(read(tmp_path / "sub" / "all.parquet"), expected, check_exact=True)
        assert_frame_equal(read(parts), expected, check_exact=True)
    assert app.main(["merge", "parts", "--out", "sub/all.parquet"]) == 0  # once more, over its own
    assert len(list((parts / "files").iterdir())) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 1, "nowhere: no finished run"),
        (["calls"], 1, "calls: no finished run"),
        (["parts", "--out", "all.csv"], 2, "all.csv"),
        (["parts", "--out", "foreign.parquet"], 1, "not written by pcqtool"),
        (["parts", "--out", "other.parquet"], 1, "other.parquet was made with other settings"),
    ],
)
def test_what_cannot_be_merged_or_replaced_is_refused(parts, tmp_path, capsys, arguments, code, said):
    pl.DataFrame({"mine": [1]}).write_parquet(tmp_path / "foreign.parquet")
    first = parts / "files" / "part-00000.parquet"
    write(tmp_path / "other.parquet", read_columns(first), replace(read_provenance(first), fingerprint="another"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert app.main(["merge", *arguments]) == code
    said_all = capsys.readouterr()
    assert said in said_all.err
    assert len(said_all.err.splitlines()) <= 2
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")} == before
    assert not (tmp_path / "nowhere").exists()


def test_a_part_made_with_other_settings_is_named(parts, capsys):
    odd = parts / "files" / "part-00001.parquet"
    write(odd, read_columns(odd), replace(read_provenance(odd), fingerprint="another"))
    assert app.main(["merge", "parts"]) == 1
    assert "part-00001.parquet" in capsys.readouterr().err


def sharded(*numbers: int, out: str = "shards") -> None:
    for number in numbers:
        options = ["--model", str(Path("model.txt").read_text()), "--vad", "off", "--out", out]
        assert app.main(["label", "calls", "--shard", f"{number}/3", *options]) == 0


def test_merged_shards_are_the_tables_of_a_single_run(parts, tiny_model, tmp_path, capsys):
    Path("model.txt").write_text(str(tiny_model))
    sharded(1, 3)
    assert app.main(["merge", "shards", "--out", "all.parquet"]) == 1
    assert "missing: shard 2/3" in capsys.readouterr().err
    sharded(2)
    sharded(2)  # once more: nothing to do
    assert app.main(["merge", "shards", "--out", "all.parquet"]) == 0
    for number in (1, 2, 3):
        sharded(number, out=f"machine-{number}")
    assert app.main(["merge", "machine-1", "machine-2", "machine-3", "--out", "far.parquet"]) == 0
    for read in (read_files, read_segments, read_events):
        expected = read(tmp_path / "single.parquet")
        for name in ("all", "far"):
            assert_frame_equal(read(tmp_path / f"{name}.parquet"), expected, check_exact=False, abs_tol=1e-5)


def test_a_directory_belongs_to_one_number_of_shards(parts, tiny_model, capsys):
    label = ["label", "calls", "--model", str(tiny_model), "--vad", "off"]
    assert app.main([*label, "--out", "parts", "--shard", "1/2"]) == 1
    assert "contains a run with 1 shards" in capsys.readouterr().err
    assert app.main([*label, "--out", "single.parquet", "--shard", "1/2"]) == 2
