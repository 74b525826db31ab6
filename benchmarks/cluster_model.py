"""Cost of a shared file system to a cluster, calculated from the counts of ``benchmarks/cluster.py``.

    python -m benchmarks.cluster_model

Prints the table of docs/cluster.md: hours of audio in calls of five minutes, number of workers, and latency of a file
operation, against the time of each phase.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil

HOUR_S = 3600.0
CALL_S = 300.0
CALL_FILES = 13  # of 5 min at 8 kHz and 16 bit: as many of 4.8 MB fit into a part of 64 MiB
CALL_WINDOWS = 5  # reads of a megabyte


@dataclass(frozen=True)
class Constants:
    """Counted operations, and measured times; docs/cluster.md says where each comes from.

    Attributes:
        find: per input and worker: its size and time, and its share of the listing.
        decode: per recording, besides its reads: stat and open.
        write_part: per part.
        check_part: per part of its own, for a worker that finds it finished, all phases together.
        merge_part: per part of all workers.
        listings: of folders with the parts of all workers, in a run of one of them.
        piece: names in a piece of a listing.
        find_cpu_s: processor time to find and plan an input.
        merge_cpu_s: processor time to merge an input.
        input_bytes: memory of a worker per input.
        speed: seconds of audio that a worker labels in a second.
        threads: operations at a time while inputs are found on a slow file system.
        jobs: recordings that a worker decodes at a time.
        server: operations that the file server answers in a second; assumed.
    """

    find: float = 1.004
    decode: float = 2.0
    write_part: float = 42.0
    check_part: float = 21.0
    merge_part: float = 18.0
    listings: float = 27.0
    piece: float = 600.0
    find_cpu_s: float = 19e-6
    merge_cpu_s: float = 24e-6
    input_bytes: float = 610.0
    speed: float = 265.0
    threads: int = 16
    jobs: int = 8
    server: float = 20_000.0


@dataclass(frozen=True)
class Case:
    """Recordings, and how they are divided.

    Attributes:
        files: number of recordings.
        workers: number of workers.
        parts: of all workers.
        windows: megabytes of a recording.
    """

    files: int
    workers: int
    parts: int
    windows: int


CONSTANTS = Constants()


def case_of(hours: float, workers: int) -> Case:
    """Return the case of so many hours of calls."""
    files = round(hours * HOUR_S / CALL_S)
    return Case(files, workers, ceil(files / CALL_FILES), CALL_WINDOWS)


def operations(case: Case, c: Constants = CONSTANTS) -> dict[str, dict[str, float]]:
    """Return the file operations of each step and phase: those of one worker, or of the one that merges.

    What a run costs whatever its size, some 400 operations, is left out.
    """
    find, parts = {"discover": c.find * case.files}, case.parts / case.workers
    listing = {"list parts": c.listings * case.parts / c.piece}
    return {
        "first run": {
            **find,
            **listing,
            "decode": (c.decode + case.windows) * case.files / case.workers,
            "write parts": c.write_part * parts,
        },
        "nothing new": {**find, **listing, "check parts": c.check_part * parts},
        "merge": {"merge": c.merge_part * case.parts},
    }


def times_s(case: Case, latency_s: float, c: Constants = CONSTANTS) -> dict[str, float]:
    """Return the seconds of what a worker does, one after the other, and of the merge.

    While inputs are found, all workers together get no more answers than the server gives.
    """
    first, again, merge = operations(case, c).values()
    answered_s = max(latency_s / c.threads, case.workers / c.server)
    return {
        "find": first["discover"] * answered_s + c.find_cpu_s * case.files,
        "label": case.files * CALL_S / case.workers / c.speed,
        "decode": first["decode"] * latency_s / c.jobs,
        "write": (first["write parts"] + first["list parts"]) * latency_s,
        "check": (again["check parts"] + again["list parts"]) * latency_s,
        "merge": merge["merge"] * latency_s + c.merge_cpu_s * case.files,
    }


def in_words(seconds: float) -> str:
    """Return a duration with its unit, to two digits."""
    for unit, length_s in (("d", 86400.0), ("h", HOUR_S), ("min", 60.0)):
        if seconds >= 1.5 * length_s:
            return f"{seconds / length_s:.{0 if seconds >= 9.5 * length_s else 1}f} {unit}"
    return f"{seconds:.0f} s"


def main() -> None:
    """Print the table."""
    columns = ["hours", "workers", "latency", "find", "label", "decode waits", "write", "run again", "merge", "memory"]
    print(f"| {' | '.join(columns)} |\n|{' ---: |' * len(columns)}")
    for hours, workers, latency_ms in product((10**4, 10**5, 10**6), (16, 64), (1, 10)):
        case = case_of(hours, workers)
        took_s = times_s(case, latency_ms / 1e3)
        shown_s = {**took_s, "again": took_s["find"] + took_s["check"]}
        shown = [in_words(shown_s[name]) for name in ("find", "label", "decode", "write", "again", "merge")]
        memory_gb = 0.15 + CONSTANTS.input_bytes * case.files / 1e9
        print(f"| {hours:,} | {workers} | {latency_ms} ms | {' | '.join(shown)} | {memory_gb:.1f} GB |")


if __name__ == "__main__":
    main()
