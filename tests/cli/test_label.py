from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from pcqtool.batch.output import RunOutput
from pcqtool.cli import app
from pcqtool.model import directory as model_directory
from pcqtool.tables.provenance import read_provenance
from pcqtool.tables.reader import read_files, read_segments

pytestmark = pytest.mark.usefixtures("surroundings")


@pytest.fixture
def calls(tmp_path, write_wave):
    for number in range(3):
        write_wave(f"calls/{number}.wav", seconds=1.0 + 2.5 * number, seed=number)
    return tmp_path / "calls"


@pytest.fixture
def label(capsys, tiny_model):
    """Run ``pcqtool label`` in this process, without voice activity detection and with the tiny model by default."""

    def run(*arguments, model=str(tiny_model), vad="off"):
        given = ["label", *map(str, arguments), "--vad", vad, *(["--model", model] if model else [])]
        code = app.main(given)
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return run


def test_a_folder_becomes_two_tables_and_a_summary(label, calls, tmp_path):
    code, out, err = label(calls)
    assert (code, err) == (0, "")
    assert "3 labelled" in out
    assert "results.segments.parquet" in out
    files = read_files(tmp_path / "results.parquet")
    assert files["file"].to_list() == ["0.wav", "1.wav", "2.wav"]
    assert files["status"].to_list() == ["ok"] * 3
    assert len(read_segments(tmp_path / "results.parquet")) == 1 + 2 + 2
    provenance = read_provenance(tmp_path / "results.parquet")
    assert (provenance.model, provenance.settings["vad"], provenance.aggregation) == ("tiny", False, "mean-log")


def test_json_is_one_object_and_nothing_else(label, calls):
    (calls / "broken.wav").write_text("dear diary")
    code, out, _ = label(calls, "--json", "--out", "r.parquet")
    summary = json.loads(out)
    assert code == 3
    assert summary["statuses"] == {"ok": 3, "failed": 1}
    assert list(summary["failures"]) == ["broken.wav"]
    assert (summary["n_files"], summary["n_done_before"], summary["out"]) == (4, 0, "r.parquet")
    assert summary["audio_s"] == pytest.approx(1.0 + 3.5 + 6.0)


def test_a_failed_input_is_exit_code_3_as_long_as_it_stands(label, calls):
    (calls / "broken.wav").write_text("dear diary")
    (calls / "empty.wav").write_bytes(b"")
    code, _, err = label(calls)
    assert code == 3
    assert err.startswith("warning: broken.wav: ")
    assert len(err.splitlines()) == 1
    code, out, err = label(calls, "--json")  # nothing was new
    assert code == 3
    assert err == "warning: 1 failed in earlier runs, such as broken.wav; --retry-failed processes them again\n"
    summary = json.loads(out)
    assert (summary["failures"], summary["table"]["failed"]) == ({}, 1)
    assert summary["table"]["statuses"] == {"ok": 3, "empty": 1, "failed": 1}
    assert label(calls / "0.wav")[0] == 3, "it is still there"
    (calls / "broken.wav").unlink()
    assert label(calls)[0] == 0, "its row says nothing about a file that is there"


def test_a_second_run_has_nothing_to_do_and_loads_no_torch(label, calls, tiny_model):
    label(calls)
    command = ["label", str(calls), "--model", str(tiny_model), "--vad", "off", "--json"]
    code = (
        "import sys; from pcqtool.cli.app import main; code = main(sys.argv[1:]);"
        "print(sorted({'torch', 'openvino', 'av', 'polars', 'pandas'} & sys.modules.keys()), file=sys.stderr);"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert json.loads(done.stdout)["n_done_before"] == 3
    assert json.loads(done.stdout)["n_files"] == 0


def test_new_and_changed_recordings_alone_are_done(label, calls, write_wave):
    label(calls)
    write_wave("calls/1.wav", seconds=2.0, seed=9)
    write_wave("calls/new.wav", seconds=2.0, seed=8)
    code, out, _ = label(calls)
    assert code == 0
    assert "2 labelled (1 changed since), 2 done before" in out
    assert read_files(calls.parent / "results.parquet")["duration_s"].to_list() == [1.0, 2.0, 6.0, 2.0]


def test_other_settings_are_refused_unless_restarted(label, calls, tmp_path):
    label(calls)
    before = (tmp_path / "results.parquet").read_bytes()
    code, out, err = label(calls, "--aggregation", "vote")
    assert (code, out) == (1, "")
    assert "aggregation mean-log, not vote" in err
    assert "--restart" in err
    assert (tmp_path / "results.parquet").read_bytes() == before
    assert label(calls, "--aggregation", "vote", "--restart")[0] == 0
    assert read_files(tmp_path / "results.parquet")["method"].unique().to_list() == ["vote"]


def test_labels_below_a_minimum_of_confidence_are_left_out(label, calls, tmp_path):
    label(calls, "--out", "all.parquet")
    everything, segments = read_files(tmp_path / "all.parquet"), read_segments(tmp_path / "all.parquet")
    minimum = float(everything["confidence"].median())
    code, out, err = label(calls, "--min-confidence", str(minimum))
    assert (code, err) == (0, "")
    assert "unsure    1 below the minimum of confidence\n" in out
    is_sure = pl.col("confidence") >= minimum
    expected = everything.with_columns(
        label=pl.when(is_sure).then("label"), method=pl.when(is_sure).then("method").otherwise(pl.lit("unsure"))
    )
    found = read_files(tmp_path / "results.parquet")
    assert_frame_equal(found, expected, check_exact=True, categorical_as_str=True, check_dtypes=False)
    expected = segments.with_columns(label=pl.when(is_sure).then("label"))
    assert_frame_equal(read_segments(tmp_path / "results.parquet"), expected, check_exact=True, categorical_as_str=True)
    summary = json.loads(label(calls, "--min-confidence", str(minimum), "--json")[1])
    assert (summary["n_done_before"], summary["n_unsure"], summary["table"]["n_unsure"]) == (3, 0, 1)
    assert (summary["table"]["statuses"], sum(summary["table"]["labels"].values())) == ({"ok": 3}, 2)
    assert read_provenance(tmp_path / "results.parquet").settings["min_confidence"] == minimum


def test_another_minimum_of_confidence_is_another_setting(label, calls, tmp_path):
    (tmp_path / "c.toml").write_text("[label]\nmin-confidence = 1.0")
    label(calls, "--config", "c.toml")
    assert read_files(tmp_path / "results.parquet")["method"].unique().to_list() == ["unsure"]
    assert "min_confidence 1.0, not 0.5" in label(calls, "--min-confidence", "0.5")[2]
    assert "min_confidence 1.0, not None" in label(calls)[2]
    assert label(calls, "--min-confidence", "1.5")[0] == 2


def test_batch_size_and_jobs_are_no_other_settings(label, calls):
    label(calls)
    code, out, _ = label(calls, "--batch-size", "7", "--jobs", "2")
    assert (code, "3 done before" in out) == (0, True)


def test_without_a_batch_size_it_is_what_suits_the_first_device(label, calls, monkeypatch):
    assert ", batches of 32\n" in label(calls, "-v", "--device", "cpu")[2]
    monkeypatch.setattr("pcqtool.model.predictor.default_batch_size", lambda device: 7 if device.type == "cpu" else 8)
    assert ", batches of 7\n" in label(calls, "-v", "--device", "cpu", "--restart")[2]
    assert ", batches of 5\n" in label(calls, "-v", "--device", "cpu", "--restart", "--batch-size", "5")[2]


def test_several_devices_give_the_same_tables(label, calls, tmp_path, monkeypatch):
    label(calls, "--out", "one.parquet", "--batch-size", "2")
    monkeypatch.setattr("pcqtool.model.device.choose_devices", lambda names: [torch.device("cpu")] * len(names))
    code, _, err = label(calls, "--out", "two.parquet", "--batch-size", "2", "--device", "ab", "-v")
    assert (code, "device: cpu, cpu\n" in err) == (0, True)
    for read in (read_files, read_segments):
        assert_frame_equal(read(tmp_path / "two.parquet"), read(tmp_path / "one.parquet"), abs_tol=1e-6)


@pytest.mark.parametrize("restart", [[], ["--restart"]])
def test_a_table_of_someone_else_is_never_replaced(label, calls, tmp_path, restart):
    pl.DataFrame({"mine": [1]}).write_parquet(tmp_path / "results.parquet")
    before = (tmp_path / "results.parquet").read_bytes()
    code, _, err = label(calls, *restart)
    assert code == 1
    assert "not written by pcqtool" in err
    assert (tmp_path / "results.parquet").read_bytes() == before


def test_a_damaged_model_does_not_cost_the_old_results(label, calls, tmp_path, tiny_model):
    label(calls)
    before = read_files(tmp_path / "results.parquet")
    shutil.copytree(tiny_model, tmp_path / "damaged")
    (tmp_path / "damaged" / "model.safetensors").write_bytes(b"no weights")
    code, _, err = label(calls, "--restart", model=str(tmp_path / "damaged"))
    assert code == 1
    assert "model.safetensors" in err
    assert_frame_equal(read_files(tmp_path / "results.parquet"), before)


@pytest.mark.parametrize("out", ["r.parquet", "new/folder/r.parquet", "new/folder"])
def test_dry_run_tells_the_plan_and_writes_nothing(label, calls, tmp_path, out):
    (calls / "broken.wav").write_text("dear diary")
    before = sorted(tmp_path.rglob("*"))
    code, text, err = label(calls, "--dry-run", "--json", "--out", out)
    assert (code, err) == (0, "")
    plan = json.loads(text)
    assert (plan["files"], plan["to_do"], plan["done"], plan["unreadable"]) == (4, 4, 0, 1)
    assert plan["hours_to_do"] == pytest.approx(10.5 / 3600, abs=1e-3)
    assert sorted(tmp_path.rglob("*")) == before
    assert "hours to do" in label(calls, "--dry-run", "--out", out)[1]
    label(calls, "--out", out)
    plan = json.loads(label(calls, "--dry-run", "--json", "--out", out)[1])
    assert (plan["to_do"], plan["done"]) == (0, 4)


def test_the_bundled_model_is_announced_and_a_named_one_is_not(label, calls, tiny_model, monkeypatch):
    monkeypatch.setattr(model_directory, "_BUNDLED", tiny_model.parent)
    monkeypatch.setattr(model_directory, "DEFAULT", tiny_model.name)
    code, out, err = label(calls, "--json", model=None)
    assert (code, err) == (0, "model: tiny (bundled); nothing at all\n")
    json.loads(out)
    assert label(calls, "--quiet", model=None)[2] == ""
    assert label(calls)[2] == ""
    monkeypatch.setenv("PCQTOOL_MODEL", str(tiny_model))
    assert label(calls, model=None)[2] == ""


def test_the_license_of_a_model_is_announced(label, calls, tiny_model, tmp_path, monkeypatch):
    place = shutil.copytree(tiny_model, tmp_path / "models" / "tiny")
    config = place / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"license": "CC BY-NC 4.0: not for commercial use"}))
    assert label(calls, model=str(place))[2] == "model: tiny; license CC BY-NC 4.0: not for commercial use\n"
    monkeypatch.setattr(model_directory, "_BUNDLED", place.parent)
    monkeypatch.setattr(model_directory, "DEFAULT", "tiny")
    said = label(calls, "--restart", model=None)[2]
    assert said == "model: tiny (bundled); license CC BY-NC 4.0: not for commercial use; nothing at all\n"


def test_the_model_can_come_from_the_environment(label, calls, tiny_model, monkeypatch, tmp_path):
    monkeypatch.setenv("PCQTOOL_MODEL", str(tiny_model))
    assert label(calls, model=None)[0] == 0
    monkeypatch.setenv("PCQTOOL_MODEL", str(tmp_path / "nowhere"))
    code, _, err = label(calls, model=None)
    assert code == 2
    assert "nowhere" in err
    assert len(err.splitlines()) == 2


@pytest.fixture
def no_cache(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def test_a_model_finds_its_encoder_by_flag_before_environment_before_file(
    label, calls, external_model, tiny_whisper, tmp_path, monkeypatch, no_cache
):
    model = str(external_model)
    for path in ("nowhere", "elsewhere"):
        (tmp_path / path).mkdir()
    assert label(calls, "--encoder-dir", tiny_whisper, "--out", "flag.parquet", model=model)[0] == 0
    monkeypatch.setenv("PCQTOOL_ENCODERS", os.pathsep.join(("nowhere", str(tiny_whisper.parent))))
    assert label(calls, "--out", "variable.parquet", model=model)[0] == 0
    monkeypatch.setenv("PCQTOOL_ENCODERS", "nowhere")
    (tmp_path / "file.toml").write_text(f'[label]\nencoder-dir = "{tiny_whisper}"\n')
    code, _, err = label(calls, "--config", "file.toml", "--out", "no.parquet", model=model)
    assert (code, "not in nowhere, the Hub's cache" in err) == (1, True)
    monkeypatch.delenv("PCQTOOL_ENCODERS")
    several = ("--encoder-dir", "elsewhere", "--encoder-dir", tiny_whisper)
    assert label(calls, "--config", "file.toml", "--out", "file.parquet", model=model)[0] == 0
    assert label(calls, *several, "--batch-size", "1", "--out", "several.parquet", model=model)[0] == 0
    first = read_segments(tmp_path / "flag.parquet")
    for name in ("variable", "file", "several"):
        assert_frame_equal(read_segments(tmp_path / f"{name}.parquet"), first, abs_tol=1e-5)
    assert read_provenance(tmp_path / "flag.parquet").model_sha256 == model_directory.model_sha256(external_model)


def test_a_missing_encoder_is_two_lines_and_leaves_no_table(label, calls, external_model, tmp_path, no_cache):
    code, out, err = label(calls, model=str(external_model))
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert lines[0].startswith("downloading the encoder some/whisper from the Hugging Face Hub")
    assert lines[1].startswith("error: model borrowing needs the encoder some/whisper, which is not in the Hub's cache")
    assert "--encoder-dir" in lines[2]
    assert len(lines) == 3
    assert not list(tmp_path.glob("*.parquet"))


def test_a_run_with_nothing_to_do_needs_no_encoder(label, calls, external_model, tiny_whisper, no_cache):
    label(calls, "--encoder-dir", tiny_whisper, model=str(external_model))
    code, out, _ = label(calls, model=str(external_model))
    assert (code, "3 done before" in out) == (0, True)


STRANGE = ["two words.wav", "line\nbreak.wav", "quotes\"'.wav", "größe-声.wav", "back\\slash.wav", "\udcff\udcfe.wav"]


def test_strange_names_are_told_apart_and_printed_safely(label, tmp_path, write_wave):
    for number, name in enumerate(STRANGE):
        write_wave("calls/plain", seed=number).rename(tmp_path / "calls" / name)
    (tmp_path / "calls" / "bad\n\x1b[31m.wav").write_text("dear diary")
    code, _, err = label("calls")
    assert code == 3
    assert "\x1b" not in err
    files = read_files(tmp_path / "results.parquet")["file"]
    assert len(files) == files.n_unique() == len(STRANGE) + 1
    assert {"two words.wav", "line\nbreak.wav", "quotes\"'.wav", "größe-声.wav"} <= set(files)
    assert label("calls")[0] == 3, "one failed"


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\0"])
@pytest.mark.parametrize("where", ["list.txt", "-"])
def test_a_list_of_files(label, tmp_path, write_wave, monkeypatch, separator, where):
    names = [
        "calls/two words.wav",
        "calls/b\u2028\x0b.wav",
        "calls/\udcff.wav",
        *["calls/line\nbreak.wav"] * (separator == "\0"),
    ]
    for number, name in enumerate(names):
        write_wave("calls/plain", seed=number).rename(tmp_path / name)
    listed = os.fsencode(separator.join([*names, "calls/never there.wav", names[0], ""]))
    (tmp_path / "list.txt").write_bytes(listed)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(listed)))
    assert label("--files-from", where)[0] == 3
    files = read_files(tmp_path / "results.parquet")
    assert len(files) == len(names) + 1
    failed = files.filter(pl.col("status") == "failed")
    assert failed["file"].to_list() == ["never there.wav"]
    assert failed["error"].to_list() == ["does not exist"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no inputs"),
        (["empty"], "no recordings in empty"),
        (["nowhere"], "nowhere does not exist"),
        (["--files-from", "nowhere.txt"], "cannot read the list"),
        (["calls", "--vad", "maybe"], "Invalid value for '--vad': 'maybe' is not one of 'on', 'off'."),
        (["calls", "--timeout", "soon"], "Invalid value for '--timeout': 'soon' is not a valid duration."),
        (["calls", "--since", "today"], "Invalid value for '--since': 'today' is not a valid time."),
        (["calls", "--channels", "left"], "left"),
        (["calls", "--aggregation", "median"], "median"),
        (["calls", "--device", "abacus"], "abacus"),
        (["calls", "--device", "cpu,cpu"], "does not name different GPUs"),
        (["calls", "--batch-size", "0"], "batch-size"),
        (["calls", "--workers", "2"], "--workers works with --engine ray only"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_leaves_no_table(label, calls, tmp_path, arguments, said):
    (tmp_path / "empty").mkdir()
    code, out, err = label(*arguments, vad="off" if "--vad" not in arguments else "maybe")
    assert (code, out) == (2, "")
    assert said in err
    assert not list(tmp_path.glob("*.parquet"))


def test_a_folder_that_cannot_be_written_to_is_told_at_once(label, calls, tmp_path):
    (tmp_path / "file").write_text("")
    for out in ("file/r.parquet", "file/parts", "file"):
        code, _, err = label(calls, "--out", out)
        assert code == 1
        assert "cannot be written" in err


def test_another_run_holds_the_lock(label, calls, tmp_path):
    label(calls)
    with RunOutput(tmp_path / "results.parquet", read_provenance(tmp_path / "results.parquet"), {}).locked():
        code, _, err = label(calls)
    assert code == 75
    assert "another run" in err


def test_speech_is_looked_for_unless_told_otherwise(label, tmp_path, write_wave):
    write_wave("calls/silence.wav", seconds=4.0, silent=True)
    assert label("calls", vad="on")[0] == 0
    row = read_files(tmp_path / "results.parquet").row(0, named=True)
    assert (row["status"], row["label"], row["speech_s"], row["n_segments"]) == ("no_speech", None, 0.0, 2)
    assert label("calls", "--restart")[0] == 0
    assert read_files(tmp_path / "results.parquet")["status"].to_list() == ["ok"]


SLOW = """
import sys, time
from pcqtool.cli.app import main
from pcqtool.batch import plan
from pcqtool.model.predictor import Predictor
plan.PART_FILES = 2
log_probs = Predictor.log_probs
def slow(self, *segments):
    time.sleep(0.5)
    return log_probs(self, *segments)
Predictor.log_probs = slow
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_run_that_is_stopped_keeps_what_is_finished(label, calls, tmp_path, write_wave, tiny_model, number, code):
    for n in range(3, 20):
        write_wave(f"calls/{n}.wav", seconds=1.0, seed=n)
    command = ["label", str(calls), "--model", str(tiny_model), "--vad", "off", "--out", "r.parquet"]
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        finished = tmp_path / ".r.parquet.parts" / "files"
        give_up_s = time.monotonic() + 60
        while not list(finished.glob("part-*.parquet")) and time.monotonic() < give_up_s:
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    n_parts = len(list(finished.iterdir()))
    assert n_parts >= 1
    assert not (tmp_path / "r.parquet").exists()
    code, text, _ = label(calls, "--out", "r.parquet", "--json")
    summary = json.loads(text)
    assert (code, summary["n_files"] + summary["n_done_before"]) == (0, 20)
    assert summary["n_done_before"] >= 2
    label(calls, "--out", "undisturbed.parquet")
    for read in (read_files, read_segments):
        assert_frame_equal(read(tmp_path / "r.parquet"), read(tmp_path / "undisturbed.parquet"), abs_tol=1e-5)
    assert not list(tmp_path.rglob("*.tmp"))
    assert not finished.parent.exists()
