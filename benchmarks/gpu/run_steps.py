"""The step from files to tables, with the share of time in which the device is busy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple
from unittest.mock import patch

from benchmarks.end_to_end import VAD_OFF, VAD_ON, pcqtool_systems
from benchmarks.gpu.bench import LARGE, MINI, Bench
from benchmarks.gpu.data_steps import label_settings
from benchmarks.gpu.journal import Figures
from benchmarks.sample import Sample
from benchmarks.timings import Timings
from pcqtool.batch.task import Network
from pcqtool.labelling.task import Labelling
from pcqtool.model.predictors import NUMBER_FORMATS

SHORT_H = 0.5
"""Hours of a first run, which warms everything up and shows how many hours the next one can label."""


class Run(NamedTuple):
    """A run from files to tables.

    Attributes:
        model: name of the model.
        precision: of its encoder.
        recordings: ``calls`` or ``utterances``.
        system: with voice activity detection, or without.
        threads: threads that feed the device.
        batch_size: segments computed at once; 0 for the usual number.
    """

    model: str
    precision: str
    recordings: str = "calls"
    system: str = VAD_OFF
    threads: int = 1
    batch_size: int = 0


HALF_PRECISION = NUMBER_FORMATS[-1]
RUNS = (
    Run(LARGE, HALF_PRECISION),  # with targets
    Run(LARGE, HALF_PRECISION, threads=2),
    Run(LARGE, HALF_PRECISION, system=VAD_ON),
    Run(MINI, "float32"),
    Run(MINI, "float32", system=VAD_ON),
    Run(MINI, "float32", threads=2),
    Run(LARGE, HALF_PRECISION, recordings="utterances"),
    Run(MINI, "float32", recordings="utterances"),
    Run(MINI, "float32", batch_size=1024),
)


def end_to_end(bench: Bench) -> Iterator[Figures]:
    """Label recordings, from files to both tables, and find out what limits the run."""
    for run in RUNS:
        sample = bench.calls if run.recordings == "calls" else bench.utterances
        scale = bench.scale
        started_s = time.perf_counter()
        short = sample.repeated(min(SHORT_H, scale.max_hours))
        _label(bench, run, short)
        started_s = time.perf_counter()
        _label(bench, run, short)
        rate = short.audio_s / (time.perf_counter() - started_s)
        long = sample.repeated(min(scale.max_hours, rate * scale.run_s / 3600.0))
        timings = _label(bench, run, long)
        shares = timings.shares()
        yield {
            "model": run.model,
            "precision": run.precision,
            "recordings": run.recordings,
            "VAD": "on" if run.system == VAD_ON else "off",
            "threads of the device": run.threads,
            "batch size": run.batch_size or bench.predictor(run.model, run.precision).default_batch_size,
            "hours": long.audio_s / 3600.0,
            "× real time": long.audio_s / timings.whole,
            "device busy": timings.busy_share,
            **{f"waiting for {name}" if name != "rows and tables" else name: share for name, share in shares.items()},
            "what limits": max(shares, key=lambda name: shares[name]),
        }


def _label(bench: Bench, run: Run, sample: Sample) -> Timings:
    settings = label_settings(precision=run.precision, batch_size=run.batch_size)
    system = pcqtool_systems(sample, bench.predictor(run.model, run.precision), settings)[run.system]

    def networks(task: Labelling) -> list[Network]:
        """Name each device's network once for each of its threads, of which the pool starts as many as networks."""
        return [predictor.log_probs for predictor in task.predictors for _ in range(run.threads)]

    with patch.object(Labelling, "networks", property(networks)):
        timings: Timings = system.run()
    return timings
