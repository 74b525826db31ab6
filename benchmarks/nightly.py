"""Cost of a nightly job: many short files, the same files again, a few more, and the memory meanwhile.

    python benchmarks/nightly.py --files 10000 --folder /tmp/nightly

Prints the seconds of each run, the number of decoded files and whether torch was loaded. For each thousand files,
prints the peak memory of the process and of its decoder processes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

PROGRAM = """
import sys
from pcqtool.cli.app import main
code = main(sys.argv[1:])
print("torch" in sys.modules, file=sys.stderr)
sys.exit(code)
"""


def make_files(folder: Path, n: int, first: int = 0) -> None:
    """Write short files of noise and a tone: a hundred different ones, and links to them."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = folder.parent / "kinds"
    kinds.mkdir(exist_ok=True)
    for number in range(first, first + n):
        kind = kinds / f"{number % 100}.wav"
        if not kind.exists():
            rng = np.random.default_rng(number)
            length = round(8000 * rng.uniform(0.4, 1.5))
            wave = rng.normal(0, 0.03, length) + 0.2 * np.sin(np.arange(length) * rng.uniform(0.05, 0.6))
            soundfile.write(kind, wave, 8000, subtype="ULAW")
        os.link(kind, folder / f"{number:06}.wav")


def anonymous_kb(pid: int) -> int:
    """Return a process's own memory, without mapped files, which it shares with other processes."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)
    except OSError:
        return 0


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below a process."""
    try:
        own = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return own + [below for child in own for below in descendants(child)]


def run(out: Path, calls: Path, options: list[str], every: int = 1000) -> None:
    """Run the program once, and print its time and memory."""
    began_s = time.monotonic()
    command = [sys.executable, "-c", PROGRAM, "label", str(calls), "--out", str(out), "--json", *options]
    peaks: dict[int, list[int]] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            n_parts = len(list((out / "files").glob("part-*.parquet")))
            memory = [
                anonymous_kb(process.pid),
                *(anonymous_kb(p) for p in descendants(process.pid)),
            ]
            best = peaks.setdefault(n_parts * 256 // every, [0, 0])
            best[:] = max(best[0], memory[0]), max(best[1], sum(memory[1:]))
            time.sleep(0.1)
        output, messages = process.communicate()
    if process.returncode not in (0, 3):
        sys.exit(messages)
    took_s, summary = time.monotonic() - began_s, json.loads(output)
    n_new, n_old = summary["n_files"], summary["n_done_before"]
    print(f"{took_s:.1f} s: {n_new:,} decoded, {n_old:,} done before, torch loaded: {messages.split()[-1]}", flush=True)
    if len(peaks) > 1:
        for thousand, (own, others) in sorted(peaks.items()):
            print(
                f"  from file {thousand * every:6,}: {own / 1024:.0f} MiB, decoding {others / 1024:.0f} MiB", flush=True
            )


def main() -> None:
    """Create the files and run three times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, required=True, help="work folder, emptied first")
    arguments, options = parser.parse_known_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    calls, out = arguments.folder / "calls", arguments.folder / "out"
    make_files(calls, arguments.files)
    for what in ("first run", "unchanged"):
        print(what, end=": ", flush=True)
        run(out, calls, options)
    make_files(calls, 10, first=arguments.files)
    print("10 more", end=": ", flush=True)
    run(out, calls, options)


if __name__ == "__main__":
    main()
