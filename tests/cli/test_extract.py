from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from polars.testing import assert_frame_equal

from pcqtool.batch import plan as plan_module
from pcqtool.cli import app
from pcqtool.features import read_features
from pcqtool.tables import writer
from pcqtool.tables.provenance import read_provenance
from pcqtool.tables.reader import read_files, read_segments

pytestmark = pytest.mark.usefixtures("surroundings")


@pytest.fixture
def calls(tmp_path, write_wave):
    for number in range(5):
        write_wave(f"calls/{number}.wav", seconds=0.7 + 3.1 * number, seed=number)
    write_wave("calls/stereo.wav", seconds=7.0, channels=2, seed=9)
    return tmp_path / "calls"


@pytest.fixture
def extract(capsys):
    """Run ``pcqtool extract`` in this process, without voice activity detection."""

    def run(*arguments, vad="off"):
        code = app.main(["extract", *map(str, arguments), "--vad", vad])
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return run


def test_fusion_vectors_of_the_bundled_model(extract, calls):
    code, out, err = extract(calls)
    assert code == 0
    assert "6 extracted" in out
    assert err.startswith("fusion by pcq-mini, trained on")
    fusion, segments = read_features("features.parquet", "fusion")
    mean, files = read_features("features.parquet", "fusion_mean")
    assert len(files) == 6 + 1  # two tracks of the call
    assert len(fusion) == len(segments) == files["n_segments"].sum()
    own = segments["file"] == "4.wav"
    weights = (segments["end_s"] - segments["start_s"]).filter(own).to_numpy()
    at = files["file"].to_list().index("4.wav")
    np.testing.assert_allclose(mean[at], np.average(fusion[own.to_numpy()], axis=0, weights=weights), rtol=1e-4)
    provenance = read_provenance(calls.parent / "features.parquet")
    assert (provenance.model, provenance.settings["what"]) == ("pcq-mini", "fusion")


def test_frames_of_any_layer_of_an_encoder(extract, calls, tiny_whisper):
    found = {}
    for layer in (0, 1, 2, -1):
        code, out, _ = extract(
            calls,
            "--what",
            "frames",
            "--encoder",
            tiny_whisper,
            "--layer",
            layer,
            "--out",
            f"{layer}.parquet",
            "--json",
        )
        assert (code, json.loads(out)["model"]) == (0, "tiny-whisper")
        found[layer], _ = read_features(f"{layer}.parquet", "frames")
        assert found[layer].shape[1:] == (150, 16)
    np.testing.assert_array_equal(found[2], found[-1])
    assert not np.allclose(found[0], found[1])


def test_the_papers_spectrogram_and_statistics_alone(extract, calls):
    assert extract(calls, "--what", "spectrogram", "--out", "s")[0] == 0
    spectrogram, _ = read_features("s", "spectrogram")
    assert spectrogram.shape[1:] == (300, 200)
    assert extract(calls, "--what", "statistics", "--of", "spectrogram")[0] == 0
    assert "spectrogram" not in read_segments(calls.parent / "features.parquet").columns
    for column in ("spectrogram_mean", "spectrogram_sd"):
        np.testing.assert_array_equal(read_features("features.parquet", column)[0], read_features("s", column)[0])


def test_batch_size_threads_parts_and_blocks_change_nothing(extract, calls, tiny_model, monkeypatch):
    def run(out, *more):
        assert extract(calls, "--model", tiny_model, "--out", out, *more)[0] == 0
        return read_files(out), read_segments(out)

    expected = run(calls.parent / "one.parquet")
    monkeypatch.setattr(plan_module, "PART_FILES", 2)
    monkeypatch.setattr(writer, "BLOCK_BYTES", 1)
    for number, more in enumerate((["--batch-size", "1"], ["--batch-size", "7", "--jobs", "1"])):
        out = calls.parent / f"{number}"
        found = run(out, *more)
        assert len(list((out / "files").iterdir())) == 3
        assert app.main(["merge", str(out), "--out", f"{number}.parquet"]) == 0
        merged = read_files(calls.parent / f"{number}.parquet"), read_segments(calls.parent / f"{number}.parquet")
        for table, joined, wanted in zip(found, merged, expected, strict=True):
            assert_frame_equal(table, joined, check_exact=True)
            plain = [name for name, kind in wanted.schema.items() if kind.base_type() is not pl.Array]
            assert_frame_equal(table.select(plain), wanted.select(plain), check_exact=True)
        np.testing.assert_allclose(
            read_features(out, "fusion")[0], read_features("one.parquet", "fusion")[0], atol=1e-5
        )


@pytest.mark.parametrize("what", ["fusion", "frames"])
def test_several_devices_give_the_same_features(extract, calls, tiny_model, tiny_whisper, monkeypatch, what):
    origin = ["--model", tiny_model] if what == "fusion" else ["--encoder", tiny_whisper, "--what", "frames"]
    usual = [calls, *origin, "--batch-size", "3", "-v"]
    assert extract(*usual, "--out", "one.parquet")[0] == 0
    monkeypatch.setattr("pcqtool.model.device.choose_devices", lambda names: [torch.device("cpu")] * len(names))
    code, _, err = extract(*usual, "--out", "two.parquet", "--device", "ab")
    assert (code, "device: cpu, cpu, " in err) == (0, True)
    (values, rows), (expected, wanted) = (read_features(f"{name}.parquet", what) for name in ("two", "one"))
    assert_frame_equal(rows, wanted, abs_tol=1e-6)
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_bad_files_are_rows_and_leave_no_segments(extract, calls, monkeypatch):
    monkeypatch.setattr(writer, "BLOCK_BYTES", 1)  # so that segments are written before the fault is found
    (calls / "bad.wav").write_text("dear diary")
    (calls / "empty.wav").write_bytes(b"")
    soundfile.write(calls / "late.wav", np.zeros(130 * 8000, np.float32), 8000)
    code, out, err = extract(calls, "--what", "spectrogram", "--max-duration", "125s", "--json")
    assert code == 3
    assert set(json.loads(out)["failures"]) == {"bad.wav", "late.wav"}
    assert "bad.wav" in err
    files = read_files(calls.parent / "features.parquet")
    statuses = dict(files.select("file", "status").iter_rows())
    assert (statuses["bad.wav"], statuses["empty.wav"], statuses["late.wav"]) == ("failed", "empty", "failed")
    bad = files.filter(pl.col("status") != "ok")
    assert bad["spectrogram_mean"].null_count() == len(bad) == 3
    assert not set(bad["file"]) & set(read_segments(calls.parent / "features.parquet")["file"])
    assert extract(calls, "--what", "spectrogram")[0] == 3  # nothing was new, and nothing was mended


def test_silence_has_no_features(extract, tmp_path, write_wave):
    write_wave("calls/silence.wav", seconds=4.0, silent=True)
    assert extract("calls", "--what", "spectrogram", vad="on")[0] == 0
    row = read_files(tmp_path / "features.parquet").row(0, named=True)
    assert (row["status"], row["spectrogram_mean"], row["n_segments"]) == ("no_speech", None, 2)
    assert read_segments(tmp_path / "features.parquet")["spectrogram"].null_count() == 2


def test_a_second_run_does_what_is_new_and_loads_no_torch_for_nothing(extract, calls, write_wave, tiny_model):
    extract(calls, "--model", tiny_model)
    command = ["extract", str(calls), "--model", str(tiny_model), "--vad", "off", "--json", "--quiet"]
    code = (
        "import sys; from pcqtool.cli.app import main; code = main(sys.argv[1:]);"
        "print(sorted({'torch', 'openvino', 'av', 'polars', 'sklearn'} & sys.modules.keys()), file=sys.stderr);"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert json.loads(done.stdout)["n_done_before"] == 6
    write_wave("calls/new.wav", seconds=2.0, seed=8)
    write_wave("calls/1.wav", seconds=2.0, seed=88)
    out = extract(calls, "--model", tiny_model, "--dry-run", "--json")[1]
    assert json.loads(out)["to_do"] == 2
    assert "2 extracted (1 changed since), 5 done before" in extract(calls, "--model", tiny_model)[1]
    assert read_files(calls.parent / "features.parquet")["duration_s"].to_list()[1] == 2.0


def test_other_features_are_refused_unless_restarted(extract, calls, tiny_model, tmp_path):
    extract(calls, "--what", "spectrogram")
    code, _, err = extract(calls, "--model", tiny_model)
    assert code == 1
    assert "what spectrogram, not fusion" in err
    assert extract(calls, "--model", tiny_model, "--restart")[0] == 0
    assert app.main(["label", str(calls), "--model", str(tiny_model), "--vad", "off", "--out", "features.parquet"]) == 1
    assert "fusion_mean" in pq.read_schema(tmp_path / "features.parquet").names


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "no inputs"),
        (["calls", "--what", "mfcc"], 2, "mfcc"),
        (["calls", "--layer", "1"], 2, "layer"),
        (["calls", "--encoder", "x"], 2, "does not compute fusion"),
        (["calls", "--what", "frames", "--encoder", "x/y/z"], 1, "no such directory"),
        (["calls", "--what", "frames", "--layer", "9"], 1, "hidden states 0 to"),
        (["calls", "--device", "abacus"], 2, "abacus"),
        (["calls", "--vad", "maybe"], 2, "'maybe' is not one of 'on', 'off'"),
    ],
)
def test_what_cannot_be_done_is_told_and_leaves_no_table(calls, tmp_path, capsys, arguments, code, said):
    assert app.main(["extract", *arguments]) == code
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""
    assert not list(tmp_path.glob("*.parquet"))


SLOW = """
import sys, time
from pcqtool.batch import plan
from pcqtool.cli.app import main
from pcqtool.features.network import FeatureNetwork
plan.PART_FILES = 2
compute = FeatureNetwork.compute
def slow(self, *segments):
    time.sleep(0.5)
    return compute(self, *segments)
FeatureNetwork.compute = slow
sys.exit(main(sys.argv[1:]))
"""


def test_a_run_that_is_killed_keeps_what_is_finished(extract, calls, tmp_path, write_wave):
    for n in range(5, 16):
        write_wave(f"calls/{n}.wav", seconds=1.0, seed=n)
    command = ["extract", str(calls), "--what", "spectrogram", "--vad", "off", "--out", "r.parquet"]
    with subprocess.Popen([sys.executable, "-c", SLOW, *command], stderr=subprocess.PIPE) as process:
        finished = tmp_path / ".r.parquet.parts" / "files"
        give_up_s = time.monotonic() + 300
        while not list(finished.glob("part-*.parquet")) and time.monotonic() < give_up_s:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    code, out, _ = extract(calls, "--what", "spectrogram", "--out", "r.parquet", "--json")
    summary = json.loads(out)
    assert (code, summary["n_files"] + summary["n_done_before"]) == (0, 17)
    assert summary["n_done_before"] >= 2
    extract(calls, "--what", "spectrogram", "--out", "undisturbed.parquet")
    for name in (".parquet", ".segments.parquet"):
        assert pq.read_table(f"r{name}").equals(pq.read_table(f"undisturbed{name}"))


MEMORY = """
import sys
from pcqtool.cli.app import main
from pcqtool.tables import writer
writer.BLOCK_BYTES, writer.ROW_GROUP_BYTES = 2**20, 2**22  # small buffers, so that a growing one would show
code = main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1], file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux")
def test_memory_does_not_grow_with_the_recording(tmp_path):
    """40 minutes more of spectrograms are 192 MB, and as much again in every copy; 20 fill all that has a bound."""
    peaks_mb = []
    for minutes in (20, 60):
        (tmp_path / f"{minutes}").mkdir()
        wave = np.random.default_rng(0).integers(-3000, 3000, minutes * 60 * 8000).astype(np.int16)
        soundfile.write(tmp_path / f"{minutes}" / "a.wav", wave, 8000)
        command = [
            "extract",
            f"{minutes}",
            "--what",
            "spectrogram",
            "--out",
            f"{minutes}.parquet",
            "--vad",
            "off",
            "-q",
        ]
        done = subprocess.run([sys.executable, "-c", MEMORY, *command], capture_output=True, text=True, check=True)
        peaks_mb.append(int(done.stderr) / 1024)
    assert pq.read_metadata("60.segments.parquet").num_rows == 1200
    assert peaks_mb[1] - peaks_mb[0] < 150
