from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from benchmarks import cluster, slow_files
from benchmarks.cluster_model import CONSTANTS, Case, operations
from benchmarks.cluster_worker import PHASES

pytestmark = pytest.mark.skipif(not slow_files.is_possible(), reason="needs Linux and a C compiler")

KNOWN = """
import ctypes, os, sys
slow, fast = sys.argv[1:]
for folder in (slow, fast):
    for _ in range(7):
        os.stat(f"{folder}/a")
    with open(f"{folder}/a", "rb") as file:
        file.read()
    with open(f"{folder}/b", "wb", 0) as file:
        file.write(b"x")
    os.replace(f"{folder}/b", f"{folder}/c")
    ctypes.CDLL(None).slow_files_phase(1)
    os.listdir(folder)
    ctypes.CDLL(None).slow_files_phase(0)
"""


def counted(tmp_path, latency_s=0.0):
    for name in ("slow", "slower"):  # the second begins like the first, and is another folder
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "a").write_bytes(b"x")
    path = tmp_path / "counts"
    environment = slow_files.settings(slow_files.build(tmp_path), tmp_path / "slow", path, latency_s)
    command = [sys.executable, "-S", "-c", KNOWN, str(tmp_path / "slow"), str(tmp_path / "slower")]
    subprocess.run(command, env=environment, check=True)
    return slow_files.read_counts(path)


def test_operations_of_the_slow_folder_are_counted_by_phase(tmp_path):
    first, second, *others = counted(tmp_path)
    assert first == Counter(stat=7, open=2, read=1, write=2), "written: the end of the writing, and the new name"
    assert second == Counter(open=1, list=2), "the entries, and the end of them"
    assert not any(each.total() for each in others)


def test_each_operation_waits(tmp_path):
    import time

    began_s = time.monotonic()
    n = sum(each.total() for each in counted(tmp_path, latency_s=0.02))
    assert time.monotonic() - began_s > n * 0.02


@pytest.mark.slow
def test_a_run_and_its_merge_in_all_phases(tmp_path):
    workers = cluster.Cluster(tmp_path, 1, part_files=4)
    cluster.make_calls(workers.calls, 10)
    first, merged = workers.run("first run"), workers.merge()
    assert list(first.phases) == [name for name in PHASES if name != "merge"]
    assert first.phases["decode"].worker == {"stat": 10, "open": 10, "read": 10, "list": 0, "write": 0}
    assert first.phases["discover"].worker["stat"] >= 10
    assert merged.phases["merge"].worker["read"] >= 3
    assert (tmp_path / "shared" / "results.parquet").exists()
    table = cluster.as_table(first, latency_s=0.01)
    assert all(f"\n| {name} |" in table for name in first.phases)
    assert "| decode | 10 | 10 | 10 | 0 | 0 | 30 | 0.3 s |" in table
    expected = operations(Case(files=10, workers=1, parts=3, windows=1), CONSTANTS)
    for name in ("decode", "write parts", "discover"):
        assert first.phases[name].n_operations == pytest.approx(expected["first run"][name], abs=12), name
