"""openSMILE's functionals of each file, in as many processes as cores; the kind is a feature set."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks import functionals
from benchmarks.peers.programs import Loaded

N_FILES = 8
"""Files that a process takes at a time: few, so that all end at about the same time."""


def load(kind: str, folder: Path, n_cores: int) -> Loaded:
    """Start the processes; each loads a feature set when it gets its first files."""
    import opensmile  # noqa: F401 - to fail here if it is missing, and not in the pool

    pool = ProcessPoolExecutor(n_cores, get_context("spawn"), functionals.load, (kind,))

    def run(paths: Sequence[str]) -> list[Any]:
        n_files = min(N_FILES, -(-len(paths) // n_cores))
        return list(pool.map(functionals.extract, [paths[at : at + n_files] for at in range(0, len(paths), n_files)]))

    return Loaded(run, ("opensmile",), close=pool.shutdown)
