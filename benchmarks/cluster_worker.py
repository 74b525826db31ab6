"""One worker of ``benchmarks/cluster.py``: a run of ``pcqtool label`` whose network is a stub, phase by phase.

    python -m benchmarks.cluster_worker {label|merge} CALLS OUT [SHARD [LIST]]

Prints each phase's processor time and duration, and the peak memory, as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.slow_files import Phases
from pcqtool.audio.reader import ReaderOptions
from pcqtool.batch import job, plan
from pcqtool.batch.merge import merge
from pcqtool.batch.output import RunOutput
from pcqtool.labelling import api
from pcqtool.labelling.settings import LabelSettings
from pcqtool.labelling.task import Labelling

PHASES = ("decode", "discover", "read done", "name", "plan", "write parts", "note done", "report", "merge", "start")
"""In the order of their numbers; the decoder processes are in the first all the time."""

METHODS = {
    "read done": ("done",),
    "write parts": ("write_part",),
    "note done": ("note_inputs", "prepare", "finish"),
    "report": ("state",),
}
"""Methods of the output, by the phase that they are."""


class StubPredictor:
    """A model without cost: all classes are equally probable."""

    default_batch_size = 256

    def __init__(self, n_labels: int) -> None:
        self.n_labels = n_labels

    def log_probs(self, waves: Any, n_samples: Any) -> Any:
        """Return log-probabilities ``(B, L)``."""
        return np.full((len(waves), self.n_labels), -np.log(self.n_labels))


def watch(phases: Phases) -> None:
    """Let the parts of a run announce their phases."""
    for name, methods in METHODS.items():
        for method in methods:
            setattr(RunOutput, method, _in_phase(phases, name, getattr(RunOutput, method)))
    for module, phase, function in (
        (api, "discover", "find_recordings"),
        (job, "name", "name_recordings"),
        (job, "plan", "make_plan"),
    ):
        setattr(module, function, _in_phase(phases, phase, getattr(module, function)))
    job.Job._standing = _in_phase(phases, "report", job.Job._standing)  # type: ignore[method-assign]
    RunOutput.appending_segments = _at_ends(phases, RunOutput.appending_segments)  # type: ignore[method-assign]


def _in_phase(phases: Phases, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        with phases.within(name):
            return function(*arguments, **options)

    return run


def _at_ends(phases: Phases, function: Callable[..., AbstractContextManager[Any]]) -> Callable[..., Any]:
    """Open and finish the segment table in the phase of writing, and be in that of decoding meanwhile."""

    @contextmanager
    def run(*arguments: Any) -> Iterator[Any]:
        with phases.within("write parts"), function(*arguments) as rows, phases.within("decode"):
            yield rows

    return run


def label(calls: Path, out: Path, shard: str, listed: Path | None) -> None:
    """Label a shard."""
    lines = None if listed is None else listed.read_text().splitlines()
    work = api.label_job(
        () if listed else calls, out, shard=shard, profile="off", vad=False, jobs=1, root=calls, listed=lines
    )
    labels = work.output.provenance.labels
    settings = LabelSettings(reader_options=ReaderOptions(vad=False), jobs=1)
    stub = cast("Any", StubPredictor(len(labels)))
    work.load = lambda: Labelling(stub, settings, work.output.provenance)
    work.run()


def main() -> None:
    """Run, and print what it took."""
    what, calls, out, *rest = sys.argv[1:]
    phases = Phases(PHASES)
    phases.enter("start")
    plan.PART_FILES = int(os.environ.get("CLUSTER_PART_FILES", plan.PART_FILES))
    if what == "merge":
        with phases.within("merge"):
            merge([Path(out)], Path(f"{out}.parquet"))
    else:
        watch(phases)
        label(Path(calls), Path(out), rest[0], Path(rest[1]) if rest[1:] else None)
    phases.enter("start")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu_s": phases.cpu_s, "took_s": phases.took_s, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main()
