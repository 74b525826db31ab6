"""What a shared file system costs a cluster, calculated from the counts of ``benchmarks/cluster.py``.

    python -m benchmarks.cluster_model

Prints the tables of docs/cluster.md: hours of audio in calls of five minutes, workers and latency of a file operation.
"""

from __future__ import annotations

from dataclasses import dataclass

HOUR_S = 3600.0


@dataclass(frozen=True)
class Constants:
    """Counted file operations, and measured speeds.

    Attributes:
        find: per input, in each worker: its size and time, and its share of the listing.
        decode: per recording besides its reads: stat and open.
        write_part: per part.
        check_part: per finished part of a worker when it runs again with nothing new, all phases together.
        merge_part: per part of all workers.
        begin: per run and worker, whatever its size.
        list_parts: how often a run lists a folder with the parts of all workers.
        listed: parts in a piece of a listing.
        find_cpu_s: processor time to find and plan an input.
        merge_cpu_s: processor time to merge the rows of an input.
        find_bytes: memory of a worker per input.
        speed: seconds of audio that a worker labels in a second.
        threads: operations at a time while inputs are found on a slow file system.
        jobs: recordings that a worker decodes at a time.
    """

    find: float = 1.004
    decode: float = 2.0
    write_part: float = 42.0
    check_part: float = 14.0
    merge_part: float = 20.0
    begin: float = 400.0
    list_parts: float = 60.0
    listed: float = 600.0
    find_cpu_s: float = 19e-6
    merge_cpu_s: float = 24e-6
    find_bytes: float = 610.0
    speed: float = 265.0
    threads: int = 16
    jobs: int = 8


CONSTANTS = Constants()
