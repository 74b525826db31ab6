"""One program in a process of its own, in its own environment: loads it, runs it, and writes what it measured.

    python -m benchmarks.peers.worker MODULE KIND [FILE...] --folder WEIGHTS --result result.json --cores 2

Without files, it writes random weights into the folder. Only the standard library and the program are imported.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
OFFLINE = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Make weights, or load and run; write the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module", help="module of the program")
    parser.add_argument("kind", help="as the module explains it")
    parser.add_argument("files", nargs="*", help="recordings; none: make the weights")
    parser.add_argument("--folder", type=Path, required=True, help="folder of the weights")
    parser.add_argument("--result", type=Path, required=True, help="file to write")
    parser.add_argument("--cores", type=int, default=1)
    options = parser.parse_args(arguments)
    os.environ.update(OFFLINE, **dict.fromkeys(THREADS, str(options.cores)))
    try:
        program = import_module(options.module)
        if options.files:
            result = measure(program, options.kind, options.folder, options.files, options.cores)
        else:
            result = {}
            program.make(options.kind, options.folder)
    except ModuleNotFoundError as error:
        result = {"missing": error.name}
    options.result.write_text(json.dumps(result), encoding="utf-8")


def measure(program: Any, kind: str, folder: Path, files: Sequence[str], n_cores: int) -> dict[str, Any]:
    """Load a program, run it over its first recordings, which ends its start-up, and then over all.

    Returns:
        ``ready``: the end of start-up on the monotonic clock; ``run_s``: seconds of going over all recordings;
        ``n_parameters``; ``versions`` of packages.
    """
    loaded = program.load(kind, folder, n_cores)
    loaded.run(files[:n_cores])
    ready = time.monotonic()
    loaded.run(files)
    run_s = time.monotonic() - ready
    loaded.close()
    versions = {package: version(package) for package in loaded.packages}
    return {"ready": ready, "run_s": run_s, "n_parameters": loaded.n_parameters, "versions": versions}


if __name__ == "__main__":
    main()
