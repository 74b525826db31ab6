"""Every recording its own row: whatever way leads to it, in however many runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pcqtool.cli import app
from pcqtool.tables.provenance import read_provenance
from pcqtool.tables.reader import read_files, read_segments

pytestmark = pytest.mark.usefixtures("surroundings")

N_PAIRS = int(os.environ.get("PCQTOOL_TEST_PAIRS", "2"))


@pytest.fixture
def run(capsys, tiny_model):
    """Run ``pcqtool`` in this process; labelling is done by the tiny model, without voice activity detection."""

    def play(command, *arguments):
        more = ["--vad", "off", "--model", str(tiny_model)] if command == "label" else []
        code = app.main([command, *map(str, arguments), *more])
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return play


@pytest.fixture
def record(tmp_path):
    """Write a recording whose loudness and length tell it from others; the times of all are equal."""

    def write(name, seed, seconds=1.0):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wave = np.random.default_rng(seed).normal(0, 0.1 + seed % 7 / 20, round(seconds * 16000))
        soundfile.write(path, np.clip(wave, -1, 1), 16000)
        os.utime(path, (1e9, 1e9))
        return path

    return write


def rows(out="r.parquet"):
    """Map files to what tells recordings apart."""
    return dict(read_files(Path(out)).select("file", "confidence").iter_rows())


def test_a_list_each_night_loses_no_night(run, record, monkeypatch, tmp_path):
    for number, night in enumerate(("mon", "tue", "wed")):
        record(f"data/{night}/0001.wav", number)
        (tmp_path / "list").write_text(f"data/{night}/0001.wav\n")
        assert run("label", "--files-from", "list", "--out", "r.parquet")[0] == 0
    assert sorted(rows()) == ["../tue/0001.wav", "../wed/0001.wav", "0001.wav"]
    assert set(read_segments(Path("r.parquet"))["file"]) == set(rows())
    code, out, _ = run("label", "data", "--out", "r.parquet", "--json")
    assert (code, json.loads(out)["n_files"], json.loads(out)["n_done_before"]) == (0, 0, 3)
    assert json.loads(out)["table"]["files"] == 3


def test_equal_names_sizes_and_times_are_still_two_recordings(run, record):
    record("day1/a.wav", 1)
    record("day2/a.wav", 2)
    for day in ("day1", "day2"):
        run("label", day, "--out", f"{day}.parquet")
        assert run("label", day, "--out", "r.parquet")[0] == 0
    alone = [rows(f"{day}.parquet")["a.wav"] for day in ("day1", "day2")]
    assert alone[0] != alone[1]
    assert rows() == {"a.wav": alone[0], "../day2/a.wav": alone[1]}


def test_folders_that_end_alike_are_told_apart(run, record, tmp_path):
    for number, folder in enumerate(("X", "q/X/b", "q/z/b")):
        record(f"{folder}/b/a.wav", number)
    assert run("label", "X", "q/X/b", "q/z/b", "--out", "r.parquet")[0] == 0
    assert sorted(rows()) == ["X/b/a.wav", "q/X/b/b/a.wav", "q/z/b/b/a.wav"]


def test_one_file_through_other_roots_is_labelled_once(run, record, tmp_path, monkeypatch):
    record("data/a/x.wav", 1)
    record("data/b/x.wav", 2)
    run("label", "data/a", "--out", "r.parquet")
    assert '"n_files": 1' in run("label", "data/a", "data/b", "--out", "r.parquet", "--json")[1]
    (tmp_path / "short").symlink_to("data")
    monkeypatch.chdir(tmp_path / "data" / "b")
    for inputs in ([".", "../a"], ["../../short"], [str(tmp_path / "short" / "*" / "*.wav")]):
        assert '"n_files": 0' in run("label", *inputs, "--out", tmp_path / "r.parquet", "--json")[1]
    assert sorted(rows(tmp_path / "r.parquet")) == ["../b/x.wav", "x.wav"]


def test_the_root_can_be_chosen_and_is_in_the_table(run, record, tmp_path):
    record("data/mon/a.wav", 1)
    assert run("label", "data/mon", "--out", "r.parquet", "--root", "data")[0] == 0
    assert list(rows()) == ["mon/a.wav"]
    assert read_provenance(Path("r.parquet")).root == str(tmp_path / "data")
    code, _, err = run("label", "data/mon", "--out", "r.parquet", "--root", "data/mon")
    assert code == 2
    assert "--moved" in err
    assert run("label", "data/mon", "--out", "r.parquet", "--root", "nowhere")[0] == 2


@pytest.mark.parametrize("out", ["r.parquet", "parts"])
def test_a_tree_can_move_where_that_is_said(run, record, out, tmp_path):
    record("old/a.wav", 1)
    record("old/b.wav", 2)
    run("label", "old", "--out", out)
    (tmp_path / "old").rename(tmp_path / "new")
    _, said, err = run("label", "new", "--out", out, "--dry-run")
    assert "to do        2" in said
    assert "--moved" in err, "a hint that these may be the same"
    code, said, err = run("label", "new", "--out", out, "--root", "new", "--moved", "--json")
    assert (code, json.loads(said)["n_files"], err) == (0, 0, "")
    record("new/c.wav", 3)
    assert json.loads(run("label", "new", "--out", out, "--json")[1])["n_files"] == 1, "it is noted"
    assert sorted(rows(out)) == ["a.wav", "b.wav", "c.wav"]


def test_merge_keeps_the_rows_of_a_table_or_leaves_it(run, record, tmp_path):
    record("A/a.wav", 1)
    record("B/b.wav", 2)
    run("label", "A")
    run("label", "B", "--out", "parts")
    before = Path("results.parquet").read_bytes()
    code, _, err = run("merge", "parts")
    assert code == 1
    assert f"relative to {tmp_path / 'A'}, the parts relative to {tmp_path / 'B'}" in err
    assert Path("results.parquet").read_bytes() == before
    run("label", "B", "--out", "both", "--root", "A")
    assert run("merge", "both")[0] == 0
    assert sorted(rows("results.parquet")) == ["../B/b.wav", "a.wav"]


def test_a_segment_table_is_no_output(run, record):
    record("A/a.wav", 1)
    record("B/b.wav", 2)
    run("label", "A", "--out", "a.parquet")
    for more in ((), ("--restart",)):
        code, _, err = run("label", "B", "--out", "a.segments.parquet", *more)
        assert (code, "Name a.parquet" in err) == (2, True)
    Path("a.parquet").rename("b.segments.parquet")
    before = Path("b.segments.parquet").read_bytes()
    for more in ((), ("--restart",)):
        code, _, err = run("label", "B", "--out", "b.parquet", *more)
        assert (code, "not a table of segments" in err) == (1, True)
        assert Path("b.segments.parquet").read_bytes() == before


@pytest.mark.parametrize("name", ["r.html", "r.srt", "r.json"])
def test_an_output_in_another_format_is_refused(run, record, name):
    record("A/a.wav", 1)
    code, _, err = run("label", "A", "--out", name)
    assert (code, "Name r.parquet" in err) == (2, True)
    assert not Path(name).exists()


def test_a_restart_that_cannot_be_written_keeps_the_old_table(run, record, monkeypatch):
    from pcqtool.batch.output import RunOutput
    from pcqtool.errors import FileError

    record("A/a.wav", 1)
    run("label", "A", "--out", "r.parquet")
    before = rows()

    def refuse(*_):
        raise FileError("no space")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunOutput, "appending_segments", refuse)
        assert run("label", "A", "--out", "r.parquet", "--restart")[0] == 1
    assert rows() == before
    record("A/b.wav", 2)
    assert json.loads(run("label", "A", "--out", "r.parquet", "--json")[1])["n_files"] == 1
    assert sorted(rows()) == ["a.wav", "b.wav"]


def test_a_restart_is_not_ended_by_a_run_over_less(run, record, monkeypatch):
    from pcqtool.batch import plan

    monkeypatch.setattr(plan, "PART_FILES", 1)
    for name in ("a", "b"):
        record(f"in/{name}.wav", 1)
    run("label", "in", "--out", "r.parquet")
    Path("in/0.wav").write_text("dear diary")
    assert run("label", "in", "--out", "r.parquet", "--restart", "--max-failures", "0")[0] == 1
    assert sorted(rows()) == ["a.wav", "b.wav"]
    code, _, err = run("label", "in/a.wav", "--out", "r.parquet")
    assert (code, "--restart is not finished" in err) == (1, True)
    assert sorted(rows()) == ["a.wav", "b.wav"]
    assert run("label", "in", "--out", "r.parquet")[0] == 3
    assert sorted(rows()) == ["0.wav", "a.wav", "b.wav"]


@pytest.mark.parametrize("out", ["r.parquet", "d"])
def test_changed_recordings_keep_their_rows_until_there_are_new_ones(run, record, monkeypatch, out):
    from pcqtool.batch import plan

    monkeypatch.setattr(plan, "PART_FILES", 1)
    for name in ("0", "a", "b"):
        record(f"in/{name}.wav", 1)
    run("label", "in", "--out", out)
    before = rows(out)
    for name in ("a", "b"):
        record(f"in/{name}.wav", 2, 1.5)
    Path("in/0.wav").write_text("dear diary")
    assert run("label", "in", "--out", out, "--max-failures", "0")[0] == 1
    assert rows(out) == before | {"0.wav": None}
    assert run("label", "in", "--out", out)[0] == 3
    after = rows(out)
    assert sorted(after) == sorted(before)
    assert after["a.wav"] != before["a.wav"]
    assert sorted(set(read_segments(Path(out))["file"])) == ["a.wav", "b.wav"]


def test_a_recording_that_is_taken_away_during_a_run_keeps_its_row(run, record, monkeypatch):
    from pcqtool.batch.output import RunOutput

    record("in/a.wav", 1)
    run("label", "in", "--out", "r.parquet")
    before = rows()
    record("in/a.wav", 2, 1.5)
    prepare = RunOutput.prepare

    def taken_away(self, stale):
        Path("in/a.wav").unlink()
        prepare(self, stale)

    monkeypatch.setattr(RunOutput, "prepare", taken_away)
    assert run("label", "in", "--out", "r.parquet")[0] == 0
    assert rows() == before


def test_an_output_that_is_a_link_is_what_it_leads_to(run, record, tmp_path):
    record("in/a.wav", 1)
    record("more/b.wav", 2)
    (tmp_path / "v").mkdir()
    run("label", "in", "--out", "v/r.parquet")
    (tmp_path / "k.parquet").symlink_to("v/r.parquet")
    run("label", "more", "--out", "k.parquet")
    assert sorted(rows("v/r.parquet")) == sorted(set(read_segments(Path("v/r.parquet"))["file"])) == [
        "../more/b.wav", "a.wav",
    ]  # fmt: skip
    assert run("label", "more", "--out", "k.parquet", "--restart")[0] == 0
    assert set(read_segments(Path("v/r.parquet"))["file"]) == set(rows("v/r.parquet")) == {"b.wav"}
    assert sorted(path.name for path in tmp_path.glob("k*")) == ["k.parquet"]


def test_a_link_that_is_mended_ends_the_failure(run, record, tmp_path):
    record("other/y.wav", 1)
    (tmp_path / "in").mkdir()
    link = tmp_path / "in" / "l.wav"
    link.symlink_to("../other/nope.wav")
    assert run("label", "in", "--out", "r.parquet")[0] == 3
    link.unlink()
    link.symlink_to("../other/y.wav")
    assert run("label", "in", "--out", "r.parquet")[0] == 0
    assert rows()["../other/y.wav"] is not None


def test_a_list_ended_by_nul_may_hold_any_name(run, record, tmp_path):
    for number, name in enumerate(("a.wav\r", "b.wav\n")):
        record("plain.wav", number).rename(tmp_path / name)
    (tmp_path / "list").write_bytes(b"a.wav\r\0b.wav\n\0")
    assert run("label", "--files-from", "list", "--out", "r.parquet")[0] == 0
    assert sorted(rows()) == ["a.wav\r", "b.wav\n"]


def test_shards_with_files_added_in_between_are_refused(run, record):
    for number in range(12):
        record(f"in/{number:02}.wav", number, 0.3)
    run("label", "in", "--out", "d", "--shard", "1/2")
    for number in range(12, 24):
        record(f"in/{number:02}.wav", number, 0.3)
    run("label", "in", "--out", "d", "--shard", "2/2")
    code, _, err = run("merge", "d", "--out", "m.parquet")
    assert code == 1
    assert "recordings, such as " in err
    assert "shard 1/2" in err
    assert not Path("m.parquet").exists()
    run("label", "in", "--out", "d", "--shard", "1/2")
    assert run("merge", "d", "--out", "m.parquet")[0] == 0
    assert len(rows("m.parquet")) == 24


@pytest.mark.parametrize("outs", [("d", "d"), ("d1", "d2")])
def test_shards_that_were_given_other_folders_are_refused(run, record, outs):
    for number in range(12):
        record(f"in/a/{number:02}.wav", number, 0.3)
        record(f"in/b/{number:02}.wav", number, 0.3)
    run("label", "in/a", "--out", outs[0], "--shard", "1/2")
    run("label", "in/a", "in/b", "--out", outs[1], "--shard", "2/2")
    code, _, err = run("merge", *dict.fromkeys(outs), "--out", "m.parquet")
    assert (code, "missing: " in err) == (1, True)
    assert not Path("m.parquet").exists()


def test_many_empty_files_stop_a_run(run, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(20):
        (tmp_path / "in" / f"{number}.wav").touch()
    code, _, err = run("label", "in", "--out", "r.parquet", "--max-failures", "5")
    assert (code, "20 inputs have failed or are empty" in err) == (1, True)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig", "utf-32"])
def test_lists_of_windows_programs(run, record, tmp_path, encoding):
    record("in/größe.wav", 1)
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "list.txt").write_bytes(f"{mark}in/größe.wav\r\n".encode(encoding))
    assert run("label", "--files-from", "list.txt", "--out", "r.parquet")[0] == 0
    assert list(rows()) == ["größe.wav"]
    (tmp_path / "list.txt").write_bytes("in/größe.wav\r\n".encode("utf-16-le"))
    code, _, err = run("label", "--files-from", "list.txt", "--out", "r2.parquet")
    assert (code, "UTF-16" in err) == (2, True)


def test_no_lock_file_stays(run, record, tmp_path):
    record("in/a.wav", 1)
    for out in ("r.parquet", "d"):
        run("label", "in", "--out", out)
    run("merge", "d", "--out", "m.parquet")
    assert [path for path in tmp_path.rglob("*") if "lock" in path.name] == []


@pytest.fixture
def spawn(tiny_model, environment):
    """Start ``pcqtool`` in a process of its own."""

    def start(command, *arguments):
        more = ["--vad", "off", "--model", str(tiny_model)] if command == "label" else []
        return subprocess.Popen(
            [sys.executable, "-m", "pcqtool", command, *arguments, *more],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.mark.slow
@pytest.mark.parametrize("out", ["r.parquet", "d"])
def test_two_runs_at_once_lose_nothing(spawn, record, tmp_path, out):
    for folder in ("a", "b"):
        for number in range(6):
            record(f"in/{folder}/{number}.wav", number, 0.3)
    for _ in range(N_PAIRS):
        both = [spawn("label", f"in/{folder}", "--out", out, "--root", "in") for folder in ("a", "b")]
        codes = [process.wait() for process in both]
        for process in both:
            process.stderr.close()
        assert set(codes) <= {0, 75}
        assert 0 in codes
        given = [folder for folder, code in zip("ab", codes, strict=True) if code == 0]
        assert sorted(rows(out)) == sorted(f"{folder}/{number}.wav" for folder in given for number in range(6))
        files = read_segments(Path(out))["file"]
        assert set(files) == set(rows(out))
        shutil.rmtree(out) if out == "d" else [Path(name).unlink() for name in (out, "r.segments.parquet")]


def test_merge_against_label(spawn, record):
    for number in range(4):
        record(f"in/{number}.wav", number, 0.3)
    assert spawn("label", "in", "--out", "d").wait() == 0
    for number in range(4, 4 + N_PAIRS):
        record(f"in/{number}.wav", number, 0.3)
        both = [spawn("label", "in", "--out", "d"), spawn("merge", "d", "--out", "m.parquet")]
        codes = [process.wait() for process in both]
        assert set(codes) <= {0, 1, 75}
        assert codes[0] in (0, 75)
        if Path("m.parquet").exists():
            assert set(read_segments(Path("m.parquet"))["file"]) == set(rows("m.parquet"))
