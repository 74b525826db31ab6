"""``kill -9`` at random moments: what was finished stays, and the tables become those of an undisturbed run.

PCQTOOL_TEST_KILLS=50 pytest tests/cli/test_kills.py -s
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from pcqtool.tables.reader import read_files, read_segments

N_KILLS = int(os.environ.get("PCQTOOL_TEST_KILLS", "2"))
N_FILES = 300 if "PCQTOOL_TEST_KILLS" in os.environ else 30
PAUSE_S = 0.1
BATCHES = ("--batch-size", "8", "--jobs", "2")

# The program itself, in parts small enough for many kills, with a note of each file that is finished and kept.
PROGRAM = """
import sys, time
from pcqtool.batch import plan
from pcqtool.batch.store import Store
from pcqtool.cli.app import main
plan.PART_FILES = 5
add_files = Store.add_files
def noted(self, files, void=()):
    add_files(self, files, void)
    with open("finished", "a") as notes:
        notes.write("".join(f"{name}\\n" for name in files["file"].to_pylist()))
    time.sleep(PAUSE_S)
Store.add_files = noted
sys.exit(main(sys.argv[1:]))
"""


def start(folder: Path, environment, *arguments: str, pause_s: float = 0.0) -> subprocess.Popen[bytes]:
    (folder / ".r.parquet.lock").unlink(missing_ok=True)  # left by a killed run, holding nobody: its return is a sign
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("PAUSE_S", str(pause_s)), "label", "../calls", *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def begun(folder: Path, process: subprocess.Popen[bytes]) -> float:
    """Wait until a run is at work; give the time."""
    lock = folder / ".r.parquet.lock"
    while not lock.exists() and process.poll() is None:
        time.sleep(0.01)
    return time.monotonic()


def killed(folder: Path, process: subprocess.Popen[bytes], moment_s: float) -> bool:
    """Kill a run so long after it has begun to work; False if it was done before."""
    begun(folder, process)
    try:
        process.wait(moment_s)
    except subprocess.TimeoutExpired:
        process.kill()
    process.wait()
    assert process.returncode in (0, 3, -signal.SIGKILL), process.stderr.read().decode()
    return process.returncode == -signal.SIGKILL


def decoders() -> set[int]:
    """Find the processes that decode, of any run."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"multiprocessing.forkserver" in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(os.name == "nt", reason="no such kill")
def test_whenever_a_run_is_killed_nothing_is_lost_and_nothing_done_twice(tmp_path, tiny_model, write_wave, environment):
    for number in range(N_FILES):
        write_wave(f"calls/{number:03}.wav", seconds=0.3 + 0.7 * (number % 7), seed=number)
    (tmp_path / "calls" / "broken.wav").write_text("dear diary")
    arguments = ("--model", str(tiny_model), "--out", "r.parquet", *BATCHES)
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
    before = decoders()
    with start(tmp_path / "undisturbed", environment, *arguments, pause_s=PAUSE_S) as process:
        started_s = begun(tmp_path / "undisturbed", process)
        assert process.wait() == 3, process.stderr.read().decode()
        whole_s = time.monotonic() - started_s

    random.seed(7)
    folder, n_kills, n_ends = tmp_path / "killed", 0, 0
    while n_kills < N_KILLS or n_ends == 0:
        moment_s = random.uniform(0.0, whole_s) if n_kills < N_KILLS else 300.0
        with start(folder, environment, *arguments, pause_s=PAUSE_S) as process:
            if killed(folder, process, moment_s):
                n_kills += 1
                continue
        n_ends += 1
        check(tmp_path)
        for path in folder.iterdir():  # once more from the beginning
            path.unlink()
    give_up_s = time.monotonic() + 10
    while decoders() - before and time.monotonic() < give_up_s:
        time.sleep(0.1)
    assert not decoders() - before
    print(
        f"{n_kills} of {N_KILLS} kills, {n_ends} ends, {N_FILES + 1} files: tables as undisturbed, nothing done twice"
    )


def check(folder: Path) -> None:
    """Compare the tables with those of the undisturbed run."""
    finished = (folder / "killed" / "finished").read_text().splitlines()
    assert len(finished) == len(set(finished))
    killed, undisturbed = (folder / name / "r.parquet" for name in ("killed", "undisturbed"))
    for read in (read_files, read_segments):
        assert_frame_equal(read(killed), read(undisturbed), check_exact=True)
    assert read_files(killed).select("file", "channel").is_unique().all()
    assert not list(killed.parent.glob(".*parts*"))
    assert not list(killed.parent.rglob("*.tmp"))
