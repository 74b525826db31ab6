"""Cost of a shared file system to many workers: file operations and processor time of each phase of their runs.

    python -m benchmarks.cluster --folder /tmp/cluster --files 100000 --workers 16

All workers label their shards of one folder at the same time into one output, four times: a first run, a second one
with nothing new, one with nothing new that is given a list of the files, and one with a few new files. Then the shards
are merged. The network is a stub. The file system is imitated (``slow_files.c``): operations are counted, and with
--sleep each of them waits.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from benchmarks import slow_files
from benchmarks.cluster_worker import PHASES
from benchmarks.million import A_FOLDER

ROOT = Path(__file__).parents[1]
N_KINDS = 100
MERGE = "merge"


@dataclass(frozen=True)
class Cost:
    """Cost of one phase.

    Attributes:
        worker: operations of the worker that has most of them.
        all_workers: operations of all workers together.
        cpu_s: processor time of the slowest worker; without that of the decoders.
        took_s: time on the clock of the slowest worker.
    """

    worker: dict[str, int]
    all_workers: int
    cpu_s: float
    took_s: float

    @property
    def n_operations(self) -> int:
        """Operations of that worker."""
        return sum(self.worker.values())


@dataclass(frozen=True)
class ClusterStep:
    """Cost of a run of all workers, or of the merge.

    Attributes:
        name: what was run.
        phases: the cost of each phase.
        elapsed_s: from the start of the first worker to the end of the last.
        peak_mb: peak memory of the largest worker; without that of its decoders.
    """

    name: str
    phases: dict[str, Cost]
    elapsed_s: float
    peak_mb: float


def make_calls(folder: Path, n: int, first: int = 0) -> None:
    """Write very short recordings, a thousand in a folder: links to a hundred different ones."""
    kinds = folder.parent / "kinds"
    kinds.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + n):
        kind = kinds / f"{number % N_KINDS}.wav"
        if not kind.exists():
            noise = np.random.default_rng(number).normal(0, 0.1, 3000 + 10 * number)
            soundfile.write(kind, noise, 8000, subtype="ULAW")
        day = folder / f"d{number // A_FOLDER:05}"
        if number in (first, number // A_FOLDER * A_FOLDER):
            day.mkdir(parents=True, exist_ok=True)
        os.link(kind, day / f"call-{number:08}.wav")


class Cluster:
    """Workers on this machine, and the folder that they share.

    Args:
        folder: work folder.
        n_workers: number of shards.
        latency_s: how long each file operation waits.
        part_files: number of files in a part; None for the usual one.
    """

    def __init__(self, folder: Path, n_workers: int, latency_s: float = 0.0, part_files: int | None = None) -> None:
        self.folder = folder.resolve()
        self.shared = self.folder / "shared"
        self.calls, self.out = self.shared / "calls", self.shared / "results"
        self.n_workers, self.latency_s, self.part_files = n_workers, latency_s, part_files
        self.shared.mkdir(parents=True, exist_ok=True)
        self.library = slow_files.build(self.folder)

    def run(self, name: str, listed: Path | None = None) -> ClusterStep:
        """Label all shards at the same time."""
        shards = [f"{number + 1}/{self.n_workers}" for number in range(self.n_workers)]
        return self._measure(name, [["label", shard, *([str(listed)] if listed else [])] for shard in shards])

    def merge(self) -> ClusterStep:
        """Join the shards."""
        return self._measure(MERGE, [["merge"]])

    def list_calls(self) -> Path:
        """Write a list of all recordings, in the shared folder."""
        path = self.shared / "calls.txt"
        path.write_text("".join(f"{call}\n" for call in sorted(self.calls.glob("*/*.wav"))))
        return path

    def _measure(self, name: str, commands: Sequence[Sequence[str]]) -> ClusterStep:
        began_s = time.monotonic()
        counts = [self.folder / f"counts-{number}" for number in range(len(commands))]
        workers = [self._start(what, rest, path) for (what, *rest), path in zip(commands, counts, strict=True)]
        outputs = [worker.communicate()[0] for worker in workers]
        elapsed_s = time.monotonic() - began_s
        if any(worker.returncode for worker in workers):
            sys.exit(f"{name}: a worker failed")
        facts = [json.loads(output.splitlines()[-1]) for output in outputs]
        tables = [slow_files.read_counts(path) for path in counts]
        phases = {}
        for number, phase in enumerate(PHASES):
            of_workers = [table[number] for table in tables]
            most = max(of_workers, key=lambda each: each.total())
            cpu_s, took_s = (max(fact[what][phase] for fact in facts) for what in ("cpu_s", "took_s"))
            cost = Cost(dict(most), sum(each.total() for each in of_workers), cpu_s, took_s)
            if (phase == "merge") == (name == MERGE):
                phases[phase] = cost
        return ClusterStep(name, phases, elapsed_s, max(fact["peak_mb"] for fact in facts))

    def _start(self, what: str, rest: Sequence[str], counts: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "benchmarks.cluster_worker", what, str(self.calls), str(self.out), *rest]
        environment = dict(slow_files.settings(self.library, self.shared, counts, self.latency_s))
        if self.part_files is not None:
            environment["CLUSTER_PART_FILES"] = str(self.part_files)
        return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def measure(cluster: Cluster, n_files: int, n_new: int) -> Iterator[ClusterStep]:
    """Measure all steps in an empty folder."""
    make_calls(cluster.calls, n_files)
    yield cluster.run("first run")
    yield cluster.run("nothing new")
    yield cluster.run("nothing new, from a list", cluster.list_calls())
    make_calls(cluster.calls, n_new, first=n_files)
    yield cluster.run(f"{n_new} new files")
    yield cluster.merge()


def as_table(step: ClusterStep, latency_s: float) -> str:
    """Return a Markdown table of a step."""
    lines = [
        f"\n{step.name}: {step.elapsed_s:.1f} s on this machine, at most {step.peak_mb:.0f} MB a worker\n",
        f"| phase | {' | '.join(slow_files.OPERATIONS)} | all workers | at {latency_s * 1e3:g} ms | CPU | took |",
        f"| --- |{' ---: |' * (len(slow_files.OPERATIONS) + 4)}",
    ]
    for name, cost in step.phases.items():
        own = " | ".join(f"{cost.worker[operation]:,}" for operation in slow_files.OPERATIONS)
        waits_s = cost.n_operations * latency_s
        seconds = " | ".join(f"{each:,.1f} s" for each in (waits_s, cost.cpu_s, cost.took_s))
        lines.append(f"| {name} | {own} | {cost.all_workers:,} | {seconds} |")
    return "\n".join(lines)


def main() -> None:
    """Prepare and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="work folder, emptied first")
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--new", type=int, default=100, help="files that are added before the last run")
    parser.add_argument("--latency", type=float, default=5.0, metavar="MS", help="of a file operation; default: 5")
    parser.add_argument("--sleep", action="store_true", help="let each operation wait that long; else only calculate")
    parser.add_argument("--part-files", type=int, help="files of a part, to see what parts cost; default: pcqtool's")
    parser.add_argument("--json", type=Path, help="also write the measurements into this file")
    arguments = parser.parse_args()
    if not slow_files.is_possible():
        parser.error("needs Linux and a C compiler (cc)")
    shutil.rmtree(arguments.folder, ignore_errors=True)
    latency_s = arguments.latency / 1e3
    cluster = Cluster(arguments.folder, arguments.workers, latency_s if arguments.sleep else 0.0, arguments.part_files)
    print(f"{arguments.files:,} files, {arguments.workers} workers")
    steps = []
    for step in measure(cluster, arguments.files, arguments.new):
        print(as_table(step, latency_s), flush=True)
        steps.append(step)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(step) for step in steps], indent=1))


if __name__ == "__main__":
    main()
