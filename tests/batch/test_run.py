from __future__ import annotations

import itertools
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from polars.testing import assert_frame_equal

from pcqtool.audio.reader import ReaderOptions
from pcqtool.batch import plan as plan_module
from pcqtool.batch import run as run_module
from pcqtool.batch.names import find_sources
from pcqtool.batch.output import RunOutput
from pcqtool.batch.plan import make_plan
from pcqtool.batch.run import run as run_plan
from pcqtool.errors import FileError, ModelError
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.task import Labelling
from pcqtool.model.directory import model_sha256, read_config
from pcqtool.tables.paths import KINDS
from pcqtool.tables.reader import read_events, read_files, read_segments

NO_VAD = ReaderOptions(vad=False)


@pytest.fixture(scope="module")
def model(tiny_model):
    from pcqtool.model.predictor import Predictor

    return Predictor(tiny_model, "cpu")


def run(out, sources, predictor, model_directory, settings=None, replicas=(), **options):
    settings = settings or LabelSettings(NO_VAD)
    provenance = settings.provenance(read_config(model_directory), model_sha256(model_directory))
    work = Labelling(predictor, settings, provenance, replicas)
    store = RunOutput(out, provenance, {kind: work.schema(kind).names for kind in KINDS})
    with store.locked():
        return run_plan(make_plan(sources, store.done()), store, work, **options)


@pytest.fixture
def many(call_folder, write_wave):
    """Recordings of all lengths, rates and channel counts, one of two pieces among them."""
    for number, rate in enumerate((8000, 11025, 22050, 44100, 48000)):
        write_wave(f"calls/rate/{rate}.wav", seconds=3.7 + 1.1 * number, rate=rate, seed=rate)
    for n in (47_999, 48_000, 48_001, 1):
        write_wave(f"calls/length/{n}.wav", seconds=n / 16000, seed=n)
    write_wave("calls/stereo.wav", seconds=4.0, channels=2, seed=70)
    write_wave("calls/long.wav", seconds=130.0, rate=8000, seed=71)
    return find_sources([call_folder])


def test_segments_cover_every_sample_once_and_sums_agree(tmp_path, many, model, tiny_model):
    seen = []
    summary = run(tmp_path / "r.parquet", many, model, tiny_model, on_file=lambda source: seen.append(source.file))
    files, segments = read_files(tmp_path / "r.parquet"), read_segments(tmp_path / "r.parquet")
    assert sorted(seen) == [source.file for source in many]
    assert files["file"].unique().sort().to_list() == [source.file for source in many]
    assert set(files["status"]) == {"ok"}
    assert files.select("file", "channel").is_unique().all()
    for row in files.iter_rows(named=True):
        info = soundfile.info(next(s.path for s in many if s.file == row["file"]))
        assert row["duration_s"] == info.frames / info.samplerate
        own = segments.filter(pl.col("file") == row["file"], pl.col("channel") == row["channel"])
        assert own["segment"].to_list() == list(range(row["n_segments"]))
        assert [0.0, *own["end_s"]] == [*own["start_s"], row["duration_s"]]
        assert (own["end_s"] > own["start_s"]).all()
        assert own["padded"].to_list()[:-1] == [False] * (row["n_segments"] - 1)
    for table in (files, segments):
        sums = table.select(pl.sum_horizontal("prob_anger", "prob_neutral", "prob_sadness")).to_series()
        assert ((sums - 1).abs() < 1e-6).all()
    assert summary.n_files == len(many)
    assert summary.audio_s == pytest.approx(files.unique("file")["duration_s"].sum())
    assert sum(summary.labels.values()) == sum(summary.statuses.values()) == len(files)


def test_batch_size_and_threads_change_nothing(tmp_path, many, model, tiny_model):
    tables = {}
    for batch_size, jobs in itertools.product((1, 7, 64), (1, 2)):
        out = tmp_path / f"{batch_size}-{jobs}.parquet"
        run(out, many, model, tiny_model, LabelSettings(NO_VAD, batch_size=batch_size, jobs=jobs))
        tables[batch_size, jobs] = read_files(out), read_segments(out)
    for (batch_size, _), found in tables.items():
        exact = batch_size == 1  # one thread or two, the same batches come of it
        for table, expected in zip(found, tables[1, 1], strict=True):
            assert_frame_equal(table, expected, check_exact=exact, abs_tol=1e-5, rel_tol=0)


def test_several_devices_change_nothing(tmp_path, many, model, tiny_model):
    settings = LabelSettings(NO_VAD, batch_size=4)
    run(tmp_path / "one.parquet", many, model, tiny_model, settings)
    run(tmp_path / "two.parquet", many, model, tiny_model, settings, replicas=[type(model)(tiny_model, "cpu")])
    for read in (read_files, read_segments, read_events):
        assert_frame_equal(read(tmp_path / "two.parquet"), read(tmp_path / "one.parquet"), abs_tol=1e-6, rel_tol=0)


def test_parts_change_nothing_and_a_directory_holds_the_same(tmp_path, many, predictor, tiny_model, monkeypatch):
    run(tmp_path / "one.parquet", many, predictor, tiny_model)
    monkeypatch.setattr(plan_module, "PART_FILES", 3)
    run(tmp_path / "some.parquet", many, predictor, tiny_model)
    run(tmp_path / "parts", many, predictor, tiny_model)
    assert len(list((tmp_path / "parts" / "files").iterdir())) > 3
    for read in (read_files, read_segments, read_events):
        expected = read(tmp_path / "one.parquet")
        assert_frame_equal(read(tmp_path / "some.parquet"), expected, check_exact=True)
        assert_frame_equal(read(tmp_path / "parts"), expected, check_exact=True)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ModelError])
@pytest.mark.parametrize(("n_batches", "n_done"), [(0, 0), (1, 2), (4, 6)])
@pytest.mark.parametrize("name", ["r.parquet", "parts"])
def test_a_run_that_stops_keeps_its_parts_and_the_next_goes_on(
    tmp_path, call_folder, predictor, tiny_model, monkeypatch, stop, n_batches, n_done, name
):
    monkeypatch.setattr(plan_module, "PART_FILES", 2)
    sources = find_sources([call_folder])
    run(tmp_path / "undisturbed", sources, predictor, tiny_model)
    log_probs = predictor.log_probs

    def failing(waves, n_samples=None):
        if len(predictor.batches) == n_batches:
            raise stop("now")
        return log_probs(waves)

    predictor.batches, predictor.log_probs = [], failing
    with pytest.raises(stop):
        run(tmp_path / name, sources, predictor, tiny_model, LabelSettings(NO_VAD, batch_size=4))
    predictor.log_probs = log_probs
    summary = run(tmp_path / name, sources, predictor, tiny_model)
    assert (summary.n_done_before, summary.n_files) == (n_done, len(sources) - n_done)
    assert_frame_equal(read_files(tmp_path / name), read_files(tmp_path / "undisturbed"), check_exact=True)
    for read in (read_segments, read_events):
        assert_frame_equal(read(tmp_path / name), read(tmp_path / "undisturbed"), check_exact=True)


def test_only_new_and_changed_recordings_are_decoded(
    tmp_path, call_folder, write_wave, predictor, tiny_model, monkeypatch
):
    decoded = []
    prefetch = run_module.prefetch
    monkeypatch.setattr(
        run_module,
        "prefetch",
        lambda sources, *rest: decoded.extend(s.file for s in sources) or prefetch(sources, *rest),
    )
    out = tmp_path / "r.parquet"
    run(out, find_sources([call_folder]), predictor, tiny_model)
    assert decoded == [f"{n}.wav" for n in range(7)]
    decoded.clear()
    assert run(out, find_sources([call_folder]), predictor, tiny_model).n_done_before == 7
    assert decoded == []
    write_wave("calls/3.wav", seconds=9.0, seed=33)
    write_wave("calls/new.wav", seconds=1.0, seed=34)
    summary = run(out, find_sources([call_folder]), predictor, tiny_model)
    assert decoded == ["3.wav", "new.wav"]
    assert (summary.n_done_before, summary.n_files, summary.n_replaced) == (6, 2, 1)
    run(tmp_path / "fresh.parquet", find_sources([call_folder]), predictor, tiny_model)
    assert_frame_equal(read_files(out), read_files(tmp_path / "fresh.parquet"), check_exact=True)
    for read in (read_segments, read_events):
        assert_frame_equal(read(out), read(tmp_path / "fresh.parquet"), check_exact=True)


def damaged(folder: Path, write_wave) -> None:
    """One recording for each thing that can be wrong with one."""
    whole = write_wave("odd/whole.wav", seconds=5.0).read_bytes()
    (folder / "zero_bytes.wav").write_bytes(b"")
    (folder / "header_only.wav").write_bytes(whole[:44])
    (folder / "truncated.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "not_audio.wav").write_bytes(b"dear diary, " * 100)
    (folder / "really_a_wav.mp3").write_bytes(whole)
    nan = np.full(16000, np.nan, np.float32)
    soundfile.write(folder / "nan.wav", nan, 16000, subtype="FLOAT")
    soundfile.write(folder / "late_nan.wav", np.append(np.zeros(40 * 16000, np.float32), nan), 16000, subtype="FLOAT")
    with wave.open(str(folder / "no_frames.wav"), "wb") as empty:
        empty.setparams((1, 2, 16000, 0, "NONE", ""))
    write_wave("odd/nine.wav", seconds=2.0, channels=9)
    write_wave("odd/one_sample.wav", seconds=1 / 16000)
    write_wave("odd/silence.wav", seconds=4.0, silent=True)
    write_wave("odd/vanished.wav")
    write_wave("odd/unreadable.wav")


def test_whatever_is_wrong_with_a_recording_is_a_row(tmp_path, write_wave, predictor, tiny_model, monkeypatch):
    folder = tmp_path / "odd"
    folder.mkdir()
    damaged(folder, write_wave)
    sources = find_sources([folder], [str(folder / "whole.wav"), str(folder / "never_there.wav")])
    (folder / "vanished.wav").unlink()
    (folder / "unreadable.wav").unlink()
    (folder / "unreadable.wav").mkdir()  # permissions do not stop root, who may run this
    summary = run(tmp_path / "r.parquet", sources, predictor, tiny_model, LabelSettings(ReaderOptions()))
    rows = read_files(tmp_path / "r.parquet")
    assert sorted(rows["file"]) == sorted(source.file for source in sources)
    found = {Path(file).stem: (status, error) for file, status, error in rows.select("file", "status", "error").rows()}
    statuses = {name: status for name, (status, _) in found.items()}
    heard = {"whole", "really_a_wav", "nine"}  # noise and a tone, which may or may not pass for speech
    assert {name: status for name, status in statuses.items() if name not in heard} == {
        "zero_bytes": "empty",
        "header_only": statuses["header_only"],
        "no_frames": "empty",
        "truncated": statuses["truncated"],
        "not_audio": "failed",
        "nan": "failed",
        "late_nan": "no_speech",
        "one_sample": "no_speech",
        "silence": "no_speech",
        "vanished": "failed",
        "unreadable": "failed",
        "never_there": "failed",
    }
    assert statuses["header_only"] in ("empty", "truncated")
    assert "5.00 s" in found["truncated"][1]
    assert "NaN" in found["late_nan"][1]
    assert {statuses[name] for name in heard} <= {"ok", "no_speech"}
    assert all((status == "ok") == (error is None) for status, error in found.values())
    assert all(str(tmp_path) not in (error or "") for _, error in found.values())
    assert {Path(name).stem for name in summary.failures} == {n for n, s in statuses.items() if s == "failed"}
    assert set(read_segments(tmp_path / "r.parquet")["file"]) == set(rows.filter(pl.col("n_segments") > 0)["file"])


def test_a_disk_that_fills_up_ends_the_run_and_keeps_the_parts(
    tmp_path, call_folder, predictor, tiny_model, monkeypatch
):
    monkeypatch.setattr(plan_module, "PART_FILES", 2)
    sources = find_sources([call_folder])
    with monkeypatch.context() as patch:
        write_part = RunOutput.write_part

        def full(self, *arguments):
            if self.next_part == 2:
                raise FileError("no space left")
            write_part(self, *arguments)

        patch.setattr(RunOutput, "write_part", full)
        with pytest.raises(FileError):
            run(tmp_path / "r.parquet", sources, predictor, tiny_model)
    assert run(tmp_path / "r.parquet", sources, predictor, tiny_model).n_done_before == 4


def test_planning_loads_no_torch():
    code = (
        "import sys; import pcqtool.batch.run, pcqtool.batch.output, pcqtool.model.directory;"
        "assert not {'torch', 'transformers', 'sklearn', 'polars', 'pandas'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
