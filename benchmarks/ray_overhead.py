"""Overhead of Ray: the local engine and Ray's workers label the same recordings on the same cores, in turn.

    python benchmarks/ray_overhead.py emodb/wav --workers 4 --copies 4 --repetitions 5

Prints the median seconds of each engine for the run alone (from the first decode to the last part's table), for loading
the model, and for the whole command, and the ratio of Ray to local. Needs `pip install 'pcqtool[ray]'`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

MEASURED = ("run", "load", "command")


def copy(recordings: Sequence[Path], folder: Path, copies: int) -> None:
    """Fill a folder with several copies of each recording."""
    for number in range(copies):
        (folder / str(number)).mkdir(parents=True)
        for path in recordings:
            shutil.copyfile(path, folder / str(number) / path.name)  # links to one recording would count once


def label(calls: Path, out: Path, n_files: int, options: Sequence[str]) -> dict[str, float]:
    """Run the command; return the seconds of the run, of loading before it, and of the whole command."""
    began_s = time.monotonic()
    command = [sys.executable, "-m", "pcqtool", "label", str(calls), "--out", str(out), "--json", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    took_s = time.monotonic() - began_s
    if done.returncode:
        sys.exit(f"ended with {done.returncode}: {' '.join(command)}")
    summary = json.loads(done.stdout)
    if summary["n_files"] != n_files:
        sys.exit(f"{summary['files']} files instead of {n_files}")
    return {"run": summary["elapsed_s"], "load": summary["load_s"], "command": took_s}


def main() -> None:
    """Run both engines in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    corpora = os.environ.get("PCQTOOL_CORPORA", "corpora")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(corpora, "emodb", "wav"), help="of WAV files")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--files", type=int, help="largest number of recordings")
    parser.add_argument("--copies", type=int, default=1, help="of each recording, for a longer run")
    parser.add_argument("--repetitions", "--rounds", type=int, default=3, help="of each engine")
    arguments, options = parser.parse_known_args()
    recordings = sorted(arguments.folder.glob("*.wav"))[: arguments.files]
    if not recordings:
        parser.error(f"no WAV files in {arguments.folder}")
    n_files = len(recordings) * arguments.copies
    engines = {"local": [], "ray": ["--engine", "ray", "--workers", str(arguments.workers)]}
    summaries: dict[str, list[dict[str, float]]] = {name: [] for name in engines}
    with tempfile.TemporaryDirectory() as name:
        copy(recordings, Path(name) / "calls", arguments.copies)
        for number in range(arguments.repetitions):
            for engine, chosen in engines.items():
                out = Path(name) / f"{engine}-{number}.parquet"
                summaries[engine].append(label(Path(name) / "calls", out, n_files, ["--quiet", *chosen, *options]))
                print(number + 1, engine, {what: round(s, 2) for what, s in summaries[engine][-1].items()}, flush=True)
    medians = {
        engine: {what: statistics.median(each[what] for each in found) for what in MEASURED}
        for engine, found in summaries.items()
    }
    print(f"{n_files} files, {arguments.workers} workers, {os.cpu_count()} cores")
    print(json.dumps({engine: {what: round(s, 2) for what, s in found.items()} for engine, found in medians.items()}))
    for what in ("run", "command"):
        print(f"{what}: Ray takes {medians['ray'][what] / medians['local'][what]:.3f} of local's time")


if __name__ == "__main__":
    main()
