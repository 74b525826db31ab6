from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from pcqtool.cli.common import metrics_file
from pcqtool.errors import FileError, LockedError, TerminatedError
from tests.prometheus_text import parse


def values(file):
    """The values of metrics with one sample, by name."""
    found = parse(file.read_text())
    return {name: next(iter(samples.values())) for name, samples in found.items() if len(samples) == 1}


@pytest.fixture
def label(pcqtool, tiny_model):
    """Run ``pcqtool label`` in a process, with the tiny model and without voice activity detection."""

    def run(*arguments, **env):
        options = ("--model", str(tiny_model), "--vad", "off", "--jobs", "1", "--metrics", "pcq.prom")
        return pcqtool("label", "calls", *options, *arguments, **env)

    return run


def test_a_run_with_a_failed_input_is_written_and_the_next_one_replaces_it(label, write_wave, tmp_path):
    write_wave("calls/a.wav")
    (tmp_path / "calls" / "b.wav").write_text("dear diary")
    began_s = time.time()
    done = label()
    assert done.returncode == 3, done.stderr
    found = values(tmp_path / "pcq.prom")
    names = ("exit_code", "files", "failed_files", "audio_seconds", "table_files", "table_failed_files")
    assert [found[f"pcqtool_{name}"] for name in names] == [3, 2, 1, 1, 2, 1]
    assert began_s - 1 < found["pcqtool_last_run_timestamp_seconds"] < time.time() + 1
    assert 0 < found["pcqtool_load_seconds"] < found["pcqtool_run_seconds"]
    (tmp_path / "calls" / "b.wav").unlink()
    assert label().returncode == 0
    found = values(tmp_path / "pcq.prom")
    assert [found[f"pcqtool_{name}"] for name in names] == [0, 0, 0, 0, 2, 0]
    assert found["pcqtool_files_done_before"] == 1
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


def test_a_stopped_run_has_its_counts_and_a_dry_run_writes_nothing(label, tmp_path):
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "b.wav").write_text("dear diary")
    assert label("--dry-run").returncode == 0
    assert not (tmp_path / "pcq.prom").exists()
    done = label("--max-failures", "0")
    assert (done.returncode, "stopped" in done.stderr) == (1, True)
    found = values(tmp_path / "pcq.prom")
    assert (found["pcqtool_exit_code"], found["pcqtool_failed_files"]) == (1, 1)


def test_a_run_that_could_not_begin_has_its_exit_code(label, tmp_path):
    done = label()
    assert done.returncode == 2
    assert set(values(tmp_path / "pcq.prom")) == {
        "pcqtool_exit_code",
        "pcqtool_last_run_timestamp_seconds",
        "pcqtool_run_seconds",
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LockedError("held"), 75),
        (TerminatedError(), 143),
        (KeyboardInterrupt(), 130),
        (MemoryError(), 1),
        (typer.Exit(3), 3),
    ],
)
def test_each_end_has_its_exit_code(tmp_path, error, code):
    with pytest.raises(type(error)), metrics_file.written(tmp_path / "m.prom", Path("r.parquet")):
        raise error
    assert values(tmp_path / "m.prom")["pcqtool_exit_code"] == code


def test_a_file_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "m.prom").mkdir()
    with pytest.raises(FileError, match=r"--metrics .*m\.prom"), metrics_file.written(tmp_path / "m.prom", Path("r")):
        pass
    assert capsys.readouterr().err == ""
    with pytest.raises(LockedError), metrics_file.written(tmp_path / "m.prom", Path("r")):
        raise LockedError("held")
    assert capsys.readouterr().err.startswith("warning: --metrics ")
    with metrics_file.written(None, Path("r")):
        pass


def test_a_terminated_process_leaves_its_figures(tmp_path, environment):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom pcqtool.cli import app\n"
        "from pcqtool.cli.common import metrics_file\n"
        "def nap() -> None:\n"
        "    'Nap.'\n"
        "    with metrics_file.written(Path('m.prom'), Path('r')):\n"
        "        print('napping', flush=True)\n"
        "        time.sleep(60)\n"
        "app.app.command()(nap)\nsys.exit(app.main(['nap']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "napping\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    assert values(tmp_path / "m.prom")["pcqtool_exit_code"] == 143
