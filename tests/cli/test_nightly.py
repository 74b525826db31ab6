"""What comes in the night: strange files, strange names, a folder that goes away, and a schedule."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from polars.testing import assert_frame_equal

from pcqtool.batch import plan as plan_module
from pcqtool.batch.output import RunOutput
from pcqtool.cli import app
from pcqtool.model.predictor import Predictor
from pcqtool.tables.reader import read_events, read_files, read_segments
from tests.json_schemas import check_json

pytestmark = pytest.mark.usefixtures("surroundings")


@pytest.fixture
def label(capsys, tiny_model):
    """Run ``pcqtool label calls`` in this process with the tiny model."""

    def run(*arguments):
        code = app.main(["label", "calls", "--vad", "off", "--model", str(tiny_model), *map(str, arguments)])
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return run


def rows(*columns):
    return dict(read_files(Path("results.parquet")).select("file", *columns).iter_rows())


NAMES = (
    b"two words.wav",
    b"new\nline.wav",
    b"quote\"s'.wav",
    b"bytes\xff\xfe.wav",
    b"-rf.wav",
    b"=1+1.wav",
    b"<script>.wav",
    b"\x1b[31m.wav",
    b"x" * 251 + b".wav",
)


def test_strange_names_are_rows_and_send_no_control_characters(tmp_path, write_wave, tiny_model, environment):
    sound = write_wave("kinds/a.wav")
    folder = os.fsencode(tmp_path / "calls")
    os.mkdir(folder)  # noqa: PTH102
    for name in NAMES:
        shutil.copy(os.fsencode(sound), os.path.join(folder, name))  # noqa: PTH118
    with open(os.path.join(folder, b"broken\x1b]0;\x07\n.wav"), "wb") as broken:  # noqa: PTH118, PTH123
        broken.write(b"dear diary")
    command = ["label", "calls", "--model", str(tiny_model), "--vad", "off", "--verbose", "--jobs", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "pcqtool", *command], capture_output=True, env=environment(), check=False
    )
    assert done.returncode == 3, done.stderr.decode()
    found = rows("status")
    assert sorted(found.values()) == ["failed"] + ["ok"] * len(NAMES)
    assert {"new\nline.wav", r"bytes\xff\xfe.wav", "=1+1.wav"} <= found.keys()
    assert not [byte for byte in done.stdout + done.stderr if byte < 32 and byte != 10]


def test_loops_pipes_and_devices_are_rows(label, tmp_path, write_wave):
    write_wave("calls/a.wav")
    (tmp_path / "calls" / "loop").symlink_to(tmp_path / "calls")
    (tmp_path / "calls" / "itself.wav").symlink_to(tmp_path / "calls" / "itself.wav")
    os.mkfifo(tmp_path / "calls" / "pipe.wav")
    (tmp_path / "calls" / "null.wav").symlink_to("/dev/zero")
    (tmp_path / "calls" / "gone.wav").symlink_to(tmp_path / "gone.wav")
    assert label()[0] == 3
    reasons = rows("error")
    assert reasons.pop("itself.wav").startswith("cannot be opened")
    odd = "is not a regular file"
    assert reasons == {"a.wav": None, "gone.wav": "does not exist", "null.wav": odd, "pipe.wav": odd}
    write_wave("gone.wav")
    assert json.loads(label("--json")[1])["statuses"] == {"ok": 1}
    assert label(tmp_path / "calls" / "pipe.wav", "/dev/zero", "--out", "named.parquet")[0] == 3
    table = read_files(Path("named.parquet")).filter(pl.col("status") == "failed")
    assert table["error"].to_list().count(odd) == 2


def test_a_folder_that_cannot_be_read_ends_the_run_with_3(label, write_wave, monkeypatch):
    write_wave("calls/a.wav")
    write_wave("calls/sub/b.wav")
    scandir = os.scandir

    def refuse(folder=".", *rest):
        if str(folder).endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        for statuses in ({"ok": 1}, {}):
            code, out, err = label("--json")
            summary = json.loads(out)
            assert (code, summary["statuses"], list(summary["failures"])) == (3, statuses, ["calls/sub"])
            assert "Permission denied" in err
    assert label()[0] == 0
    assert rows("status") == {"a.wav": "ok", "sub/b.wav": "ok"}


CODINGS = [("WAV", "ULAW"), ("WAV", "ALAW"), ("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"), ("AU", "ULAW")]


@pytest.mark.parametrize(
    ("kind", "subtype", "call"),
    [(*coding, call) for coding in CODINGS for call in (True, False)] + [("WAV", "GSM610", False)],  # has one channel
)
def test_the_parties_of_a_call_in_telephone_codings(label, tmp_path, kind, subtype, call):
    rng, n = np.random.default_rng(0), 8000 * 4
    agent, customer = rng.normal(0, 0.1, (2, n)) * (np.arange(n) // 8000 % 2 == [[0], [1]])
    (tmp_path / "calls").mkdir()
    soundfile.write("calls/a", np.stack([agent, customer], 1) if call else agent, 8000, format=kind, subtype=subtype)
    (tmp_path / "calls" / "a").rename(f"calls/a.{kind.lower()}")
    assert label()[0] == 0
    table = read_files(Path("results.parquet"))
    assert table["channel"].to_list() == (["0", "1"] if call else ["0"])
    assert set(table["status"]) == {"ok"}
    assert set(read_segments(Path("results.parquet"))["channel"]) == set(table["channel"])


def test_since_leaves_out_what_is_older_and_keeps_its_rows(label, write_wave):
    for name, age_s in (("old", 3 * 86400), ("new", 60)):
        os.utime(write_wave(f"calls/{name}.wav"), (time.time() - age_s,) * 2)
    assert label("--since", "1d")[0] == 0
    assert rows("status") == {"new.wav": "ok"}
    assert json.loads(label("--since", "2020-01-01", "--json")[1])["n_files"] == 1
    assert rows("status") == {"new.wav": "ok", "old.wav": "ok"}
    assert json.loads(label("--since", "1s", "--json")[1])["n_files"] == 0
    code, _, err = label("--since", "yesterday")
    assert (code, "is not a valid time" in err) == (2, True)


def test_too_many_failures_stop_the_run_and_keep_what_is_finished(label, tmp_path, write_wave, monkeypatch):
    monkeypatch.setattr(plan_module, "PART_FILES", 2)
    for number in range(8):
        write_wave(f"calls/{number}.wav", seed=number)
    for number in (0, 2, 3):
        (tmp_path / "calls" / f"{number}.wav").write_text("dear diary")
    code, _, err = label("--max-failures", 2)
    assert (code, "more than --max-failures 2" in err) == (1, True)
    assert set(rows("status")) == {"0.wav", "1.wav", "2.wav", "3.wav"}
    assert label("--max-failures", 2)[0] == 3, "no more of them in this run, but they stand"
    assert len(rows("status")) == 8


def test_a_run_that_was_stopped_is_not_merged_as_a_whole(label, tmp_path, monkeypatch):
    monkeypatch.setattr(plan_module, "PART_FILES", 1)
    (tmp_path / "calls").mkdir()
    for number in range(4):
        (tmp_path / "calls" / f"{number}.wav").write_text("dear diary")
    assert label("--out", "parts", "--max-failures", 1)[0] == 1
    assert app.main(["merge", "parts", "--out", "table.parquet"]) == 1
    assert label("--out", "parts")[0] == 3
    assert app.main(["merge", "parts", "--out", "table.parquet"]) == 0
    assert len(read_files(Path("table.parquet"))) == 4


@pytest.mark.parametrize("out", ["results.parquet", "parts"])
def test_what_failed_is_taken_up_again_where_that_is_asked_for(label, write_wave, out):
    write_wave("calls/long.wav", seconds=40.0)
    write_wave("calls/wide.wav", channels=5)
    write_wave("calls/a.wav")
    code, _, err = label("--max-duration", "20s", "--max-channels", "4", "--out", out)
    assert code == 3
    assert "longer than the limit" in err
    assert "5 channels" in err
    summaries = [json.loads(label("--json", "--out", out, *more)[1]) for more in ((), ("--retry-failed",), ())]
    assert [summary["n_files"] for summary in summaries] == [0, 2, 0]
    assert read_files(Path(out))["status"].to_list() == ["ok"] * 3


def test_log_lines_are_json_where_that_is_asked_for(label, tmp_path, write_wave, monkeypatch):
    write_wave("calls/a.wav")
    (tmp_path / "calls" / "b.wav").write_text("dear diary")
    monkeypatch.setattr("pcqtool.cli.common.console.LINE_EVERY_S", 0.0)
    _, _, err = label("--log", "json", "--verbose")
    lines = [json.loads(line) for line in err.splitlines()]
    for line in lines:
        check_json(line)
    assert "b.wav" in next(line["message"] for line in lines if line["level"] == "warning")
    monkeypatch.setenv("PCQTOOL_LOG", "json")
    _, _, err = label("--out", "no/such/../\0")
    assert json.loads(err)["level"] == "error"
    assert label("--log", "xml")[0] == 2


@pytest.mark.parametrize("out", ["out/r.parquet", "out/parts"])
def test_an_output_folder_that_goes_away_is_told_and_done_again(label, write_wave, monkeypatch, out):
    for number in range(6):
        write_wave(f"calls/{number}.wav", seed=number)
    monkeypatch.setattr(plan_module, "PART_FILES", 2)
    write_part = RunOutput.write_part

    def removing(self, *arguments):
        write_part(self, *arguments)
        if self.next_part == 2:
            shutil.rmtree("out")

    with monkeypatch.context() as patch:
        patch.setattr(RunOutput, "write_part", removing)
        code, _, err = label("--out", out)
    assert (code, "unexpected" in err) in ((0, False), (1, False))
    assert label("--out", out)[0] == 0
    label("--out", "undisturbed.parquet")
    for read, order in ((read_files, ["file"]), (read_segments, ["file", "segment"]), (read_events, ["file", "event"])):
        assert_frame_equal(read(Path(out)).sort(order), read(Path("undisturbed.parquet")).sort(order))


def test_a_file_that_grows_while_it_is_read_is_done_again_by_the_next_run(label, tmp_path, write_wave, monkeypatch):
    path = write_wave("calls/a.wav", seconds=2.0)
    longer = write_wave("longer/a.wav", seconds=9.0).read_bytes()
    log_probs = Predictor.log_probs

    def growing(self, *arguments):
        path.write_bytes(longer)
        return log_probs(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "log_probs", growing)
        assert label()[0] == 0
    assert json.loads(label("--json")[1])["n_replaced"] == 1
    assert rows("duration_s") == {"a.wav": 9.0}
    path.unlink()
    assert label("--files-from", os.devnull)[0] == 2  # nothing is there any more; the rows stay
    assert rows("duration_s") == {"a.wav": 9.0}


def test_a_file_that_is_cut_or_goes_away_while_it_is_read_is_a_row(label, write_wave, monkeypatch):
    path = write_wave("calls/a.wav", seconds=600.0, rate=48000)
    whole_s = 600.0
    threading.Timer(0.2, lambda: os.truncate(path, 48000)).start()
    assert label()[0] in (0, 3)
    ((status, duration_s, retry),) = read_files(Path("results.parquet")).select("status", "duration_s", "retry").rows()
    assert status in ("truncated", "failed", "ok"), "cut before it was opened, while it was read, or after that"
    assert duration_s == whole_s if status == "ok" else duration_s <= whole_s  # it may fail after its last sample
    assert retry == (status == "failed")


def test_a_model_that_does_not_fit_is_computed_in_smaller_batches(label, write_wave, monkeypatch):
    write_wave("calls/a.wav", seconds=40.0)
    label("--out", "expected.parquet")
    log_probs = Predictor.log_probs

    def narrow(self, waves, n_samples=None):
        if len(waves) > 3:
            raise MemoryError("DefaultCPUAllocator: can't allocate memory")
        return log_probs(self, waves, n_samples)

    monkeypatch.setattr(Predictor, "log_probs", narrow)
    code, _, err = label()
    assert (code, "continuing with" in err) == (0, True)
    assert_frame_equal(
        read_segments(Path("results.parquet")), read_segments(Path("expected.parquet")), check_exact=False, abs_tol=1e-5
    )
    assert pl.read_parquet("results.parquet").height == 1


def decoders_of(process: subprocess.Popen[str]) -> list[int]:
    """Find the processes that decode for a run: children of the one that it forks them from."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    servers = {pid for pid, parent in parents.items() if parent == process.pid}
    return [pid for pid, parent in parents.items() if parent in servers]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes as Linux shows them")
def test_a_recording_whose_decoder_the_system_has_killed_is_taken_up_by_the_next_run(
    tmp_path, write_wave, tiny_model, environment
):
    write_wave("calls/long.wav", seconds=900.0)
    command = [sys.executable, "-m", "pcqtool", "label", "calls", "--model", str(tiny_model), "--jobs", "1", "--json"]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None:
            for pid in decoders_of(process):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)
        out, err = process.communicate()
    assert process.returncode == 3, err
    assert "its decoder was killed" in json.loads(out)["failures"]["long.wav"]
    assert rows("retry") == {"long.wav": True}
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n_replaced"] == 1
    assert rows("status")["long.wav"] in ("ok", "no_speech")
    assert rows("retry") == {"long.wav": False}
