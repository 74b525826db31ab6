"""The Python front door: ``import pcqtool`` and what it offers."""

from __future__ import annotations

import doctest
import importlib
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
import torch

import pcqtool
from pcqtool.cli import app

ROOT = Path(__file__).parents[1]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A working directory with the example recordings, as in a clone of the project."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "build").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PCQTOOL_MODEL", raising=False)
    return tmp_path


def test_the_page_runs_as_it_is_written(clone):
    outcome = doctest.testfile(str(ROOT / "docs/python.md"), module_relative=False, optionflags=FLAGS)
    assert outcome.attempted > 15
    assert outcome.failed == 0


@pytest.mark.parametrize(
    "module",
    ["pcqtool", "pcqtool.labelling.api", "pcqtool.labelling.model", "pcqtool.features.api", "pcqtool.batch.results"],
)
def test_examples_in_docstrings_run(module, clone):
    outcome = doctest.testmod(importlib.import_module(module), optionflags=FLAGS)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_the_import_is_light_and_every_name_is_there():
    code = (
        "import sys, pcqtool\n"
        "heavy = {'numpy', 'torch', 'polars', 'pyarrow', 'typer', 'sklearn', 'transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert set(pcqtool.__all__) <= set(dir(pcqtool))\n"
        "assert all(getattr(pcqtool, name) is not None for name in pcqtool.__all__)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    with pytest.raises(AttributeError, match="no attribute 'lable'"):
        pcqtool.lable  # noqa: B018


def test_a_script_without_a_guard_labels_in_other_processes(clone):
    (clone / "script.py").write_text(
        "import pcqtool\nprint('begun')\nprint(len(pcqtool.label('examples/recordings/greeting.wav').files))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, timeout=300, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "begun\n1\n", "")


def test_label_returns_what_the_command_writes(clone, capfd):
    results = pcqtool.label("examples/recordings", vad=False, jobs=1)
    assert capfd.readouterr() == ("", "")
    arguments = ["label", "examples/recordings", "--out", "theirs.parquet", "--vad", "off", "--quiet"]
    assert app.main(arguments) == 3
    theirs = pcqtool.read_results("theirs.parquet")
    assert results.files.equals(theirs.files)
    assert results.segments.equals(theirs.segments)
    assert results.provenance.fingerprint == theirs.provenance.fingerprint
    results.write("ours.parquet")
    assert Path("ours.segments.parquet").read_bytes() == results.path.with_name("results.segments.parquet").read_bytes()
    folder = results.path.parent
    del results
    assert not folder.exists()


def test_samples_are_predicted_as_their_file_is(clone):
    model = pcqtool.load_model("pcq-mini")
    path = Path("examples/recordings/call-stereo.wav")
    samples, rate = soundfile.read(path, dtype="float32")
    whole = pcqtool.label(path, profile="off").files.drop("file", "mtime", "size_bytes")
    for found in (model.predict(path), model.predict(samples, rate), model.predict(torch.from_numpy(samples), rate)):
        assert found.files.drop("file", "mtime", "size_bytes").equals(whole)
    with pytest.raises(pcqtool.SettingsError, match="2 channels"):
        _ = found.label
    one = model.predict(samples[:, 0], rate)
    assert one.label == max(one.probabilities, key=one.probabilities.__getitem__)
    assert one.segments["start_s"].to_list() == [3.0 * n for n in range(len(one.segments))]


@pytest.mark.parametrize(
    ("samples", "rate", "match"),
    [
        (np.zeros(100, np.int16), 16_000, "finite floats"),
        (np.full(100, np.nan), 16_000, "finite floats"),
        (np.zeros((2, 3, 4)), 16_000, "finite floats"),
        (np.zeros(100), None, "sample_rate"),
        (np.zeros(100), 0, "sample_rate"),
        (np.zeros(100), 16000.5, "sample_rate"),
        (np.zeros((2, 40_000)), 16_000, r"Transpose"),
        (torch.zeros(1, 40_000), 16_000, r"Transpose"),
        (np.zeros((5, 0)), 16_000, "0 channels"),
        (np.full(100, 1e30), 16_000, "finite"),
    ],
    ids=str,
)
def test_samples_that_cannot_be_used(samples, rate, match):
    model = pcqtool.load_model("pcq-mini")
    with pytest.raises(pcqtool.SettingsError, match=match):
        model.predict(samples, rate)


def test_no_speech_has_no_label(clone):
    silent = pcqtool.load_model("pcq-mini").predict(np.zeros(48_000, np.float32), 16_000)
    assert (silent.label, silent.probabilities) == (None, {})
    with pytest.raises(pcqtool.AudioError, match=r"corrupt\.wav"):
        pcqtool.load_model("pcq-mini").predict("examples/recordings/corrupt.wav")


def test_an_unsure_prediction_has_probabilities_and_no_label(clone):
    unsure = pcqtool.load_model("pcq-mini", min_confidence=1.0).predict("examples/recordings/greeting.wav")
    assert unsure.label is None
    assert sum(unsure.probabilities.values()) == pytest.approx(1.0, abs=1e-6)
    assert unsure.files.select("method", "status").rows() == [("unsure", "ok")]
    results = pcqtool.label("examples/recordings/greeting.wav", min_confidence=1.0)
    assert (results.report.summary.n_unsure, results.files["label"].to_list()) == (1, [None])


def test_errors_are_of_one_tree_and_unknown_options_are_refused(clone):
    with pytest.raises(pcqtool.PcqtoolError, match="no-such-place"):
        pcqtool.label("no-such-place")
    with pytest.raises(pcqtool.SettingsError, match="no inputs"):
        pcqtool.label([])
    with pytest.raises(TypeError, match="unknown option 'chanels'"):
        pcqtool.label("examples/recordings", chanels="mix")
    with pytest.raises(pcqtool.TableError):
        pcqtool.read_results("nothing.parquet")
    for wrong in ({"vad": "off"}, {"max_failures": -1}, {"jobs": -1}, {"out": ""}, {"channels": "left"}):
        with pytest.raises(pcqtool.SettingsError):
            pcqtool.label("examples/recordings/greeting.wav", **wrong)
    for call in (
        lambda: pcqtool.load_model("pcq-mini").predict("examples/recordings"),
        lambda: pcqtool.load_model("pcq-mini").predict("examples/recordings/greeting.wav", 16_000),
        lambda: pcqtool.train([], "new"),
        lambda: pcqtool.evaluate("emodb", protocol="loso", seeds=0),
    ):
        with pytest.raises(pcqtool.SettingsError):
            call()
    with pytest.raises(pcqtool.StoppedError) as stopped:
        pcqtool.label("examples/recordings/corrupt.wav", max_failures=0)
    assert stopped.value.report.summary.failures.keys() == {"corrupt.wav"}
    again = pickle.loads(pickle.dumps(stopped.value))  # noqa: S301  (as a pool of processes does)
    assert (str(again), again.report) == (str(stopped.value), stopped.value.report)


def test_a_tensor_of_any_precision_and_a_channel_by_its_number(clone):
    samples, rate = soundfile.read("examples/recordings/call-stereo.wav", dtype="float32")
    model = pcqtool.load_model("pcq-mini", channels=1)
    tensor = torch.from_numpy(samples).bfloat16().requires_grad_()
    assert model.predict(tensor, rate).files["channel"].to_list() == ["1"]


def test_relative_results_survive_a_change_of_folder(clone, monkeypatch):
    results = pcqtool.label("examples/recordings/greeting.wav", "own.parquet")
    monkeypatch.chdir("/")
    assert len(results.files) == 1


def test_messages_go_to_the_logger(clone, caplog):
    with caplog.at_level(logging.INFO, "pcqtool"):
        pcqtool.label("examples/recordings/greeting.wav")
    assert any("pcq-mini" in record.getMessage() for record in caplog.records)


def test_training_and_evaluation_do_what_the_commands_do(toy_root, tmp_path, capfd):
    steps = []
    recipe = tmp_path / "toy.toml"
    recipe.write_text(
        "epochs = 1\nbatch_size = 8\nn_augmented = 0\n"
        '[network]\nspectrogram_pool = [8, 4]\nclassifier_hidden = []\nencoder = { kind = "none" }\ncsq = false\n'
    )
    given = {"root": toy_root, "recipe": recipe, "jobs": 1}
    model = pcqtool.train("manifest", tmp_path / "model", on_progress=steps.append, **given)
    assert [step.done for step in steps if step.unit == "epochs"][-1] == 1
    assert pcqtool.load_model(model.path).labels == tuple(model.labels)
    report = pcqtool.evaluate("manifest", tmp_path / "run", protocol="loso", **given)
    assert 0 <= report.metrics["pooled"]["ua"] <= 1
    assert (tmp_path / "run" / "metrics.json").is_file()
    alone = pcqtool.evaluate("manifest", model=model.path, root=toy_root)
    assert alone.metrics["leaks"]
    same = pcqtool.compare(tmp_path / "run", tmp_path / "run")
    assert same["ua"]["difference"] == 0
    assert capfd.readouterr() == ("", "")
    assert isinstance(pl.from_arrow(report.table), pl.DataFrame)
