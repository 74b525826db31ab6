"""``kill -9`` at random moments: what was finished stays, and the output becomes that of an undisturbed run.

All files of the two outputs are compared byte for byte. The clock is held while tables note when they were written.

PCQTOOL_TEST_KILLS=50 pytest tests/cli/test_kills.py -s
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pcqtool.tables.reader import read_files

N_KILLS = int(os.environ.get("PCQTOOL_TEST_KILLS", "2"))
N_FILES = 300 if "PCQTOOL_TEST_KILLS" in os.environ else 30
PAUSE_S = 0.1
BATCHES = ("--batch-size", "8", "--jobs", "2")
COMMANDS = {
    "label": ("label", "../calls", "--out", "r.parquet"),
    "extract": ("extract", "../calls", "--what", "spectrogram", "--out", "r.parquet"),
    "directory": ("extract", "../calls", "--out", "r"),
    "profiled": ("label", "../calls", "--vad", "off", "--out", "r.parquet"),
}
LOCKS = (".r.parquet.lock", "r/.lock")

# The program itself, in parts small enough for many kills, with a note of each file that is finished and kept.
PROGRAM = """
import sys, time
from datetime import datetime
from pcqtool.batch import plan
from pcqtool.batch.output import RunOutput
from pcqtool.cli.app import main
from pcqtool.tables import provenance
class Held(datetime):
    now = classmethod(lambda cls, zone: datetime(2026, 1, 31, 2, 15, tzinfo=zone))
provenance.datetime = Held
plan.PART_FILES = 5
write_part = RunOutput.write_part
def noted(self, files, *others):
    write_part(self, files, *others)
    with open("finished", "a") as notes:
        notes.write("".join(f"{name}\\n" for name in files["file"].to_pylist()))
    time.sleep(PAUSE_S)
RunOutput.write_part = noted
sys.exit(main(sys.argv[1:]))
"""


def start(folder: Path, environment, *arguments: str, pause_s: float = 0.0) -> subprocess.Popen[bytes]:
    for lock in LOCKS:  # left by a killed run, holding nobody: its return is a sign
        (folder / lock).unlink(missing_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("PAUSE_S", str(pause_s)), *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def begun(folder: Path, process: subprocess.Popen[bytes]) -> float:
    """Wait until a run is at work; give the time."""
    while not any((folder / lock).exists() for lock in LOCKS) and process.poll() is None:
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


def decoders(runs: Path) -> set[int]:
    """Find the decoder processes of the runs below a folder."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_decoder = b"multiprocessing.forkserver" in (folder / "cmdline").read_bytes()
            if is_decoder and os.readlink(folder / "cwd").startswith(f"{runs}/"):  # noqa: PTH115 (it may be deleted)
                found.add(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no such kill")
@pytest.mark.parametrize("command", COMMANDS)
def test_whenever_a_run_is_killed_nothing_is_lost_and_nothing_done_twice(
    tmp_path, tiny_model, profiled_model, write_wave, environment, command
):
    for number in range(N_FILES):
        write_wave(f"calls/{number:03}.wav", seconds=0.3 + 0.7 * (number % 7), seed=number)
    (tmp_path / "calls" / "broken.wav").write_text("dear diary")
    model = profiled_model if command == "profiled" else tiny_model
    arguments = (*COMMANDS[command], "--model", str(model), *BATCHES)
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
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
        shutil.rmtree(folder)  # once more from the beginning
        folder.mkdir()
    give_up_s = time.monotonic() + 10
    while decoders(tmp_path) and time.monotonic() < give_up_s:
        time.sleep(0.1)
    assert not decoders(tmp_path)
    counts = f"{n_kills} of {N_KILLS} kills, {n_ends} ends, {N_FILES + 1} files"
    print(f"{command}: {counts}: same bytes, nothing done twice")


def check(folder: Path) -> None:
    """Compare what the runs have left with what the undisturbed one has: all of it, to the byte."""
    finished = (folder / "killed" / "finished").read_text().splitlines()
    assert sorted(finished) == sorted({path.name for path in (folder / "calls").iterdir()})
    assert contents(folder / "killed") == contents(folder / "undisturbed")
    table = folder / "killed" / "r.parquet"
    assert read_files(table if table.exists() else table.with_suffix(""))["file"].to_list() == sorted(finished)


def contents(folder: Path) -> dict[str, str]:
    """Hash all files below a folder, except locks and notes."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if name not in (*LOCKS, "finished")
    }
