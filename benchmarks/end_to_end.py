"""Systems that are compared end to end, in turn, each with the same number of workers."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from benchmarks.labelling_run import label_once
from benchmarks.sample import Sample
from benchmarks.timings import Timings, time_run
from pcqtool.labelling.settings import LabelSettings
from pcqtool.model.segment_predictor import SegmentPredictor

VAD_OFF = "pcqtool, VAD off"
VAD_ON = "pcqtool, VAD on"


@dataclass(frozen=True)
class System:
    """A system that is compared.

    Attributes:
        run: goes once through the recordings; returns ``Timings`` or anything else.
        audio_s: length of the recordings.
        workers: number of processes or threads that compute at the same time.
    """

    run: Callable[[], Any]
    audio_s: float
    workers: int


@dataclass(frozen=True)
class Outcome:
    """Result of a system's repetitions.

    Attributes:
        rates: times real time, of each repetition.
        workers: as the system had.
        timings: where the time of the median repetition went.
    """

    rates: Sequence[float]
    workers: int
    timings: Timings | None = None

    @property
    def rate(self) -> float:
        """Median times real time."""
        return statistics.median(self.rates)


@contextmanager
def on_cores(n: int) -> Iterator[None]:
    """Restrict this process, and what it starts meanwhile, to ``n`` of its cores and as many threads of torch.

    Where the operating system cannot pin a process, only the threads are restricted.
    """
    threads = torch.get_num_threads()
    pinnable = hasattr(os, "sched_setaffinity")
    cores = os.sched_getaffinity(0) if pinnable else set()
    if pinnable:
        os.sched_setaffinity(0, sorted(cores)[:n])
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if pinnable:
            os.sched_setaffinity(0, cores)


def run_in_turn(systems: Mapping[str, System], repetitions: int) -> dict[str, Outcome]:
    """Run all systems in turn, so that other load affects all alike; a first, uncounted repetition warms them up."""
    done: dict[str, list[tuple[float, Any]]] = {name: [] for name in systems}
    for number in range(repetitions + 1):
        for name, system in systems.items():
            started_s = time.perf_counter()
            returned = system.run()
            if number:
                done[name].append((system.audio_s / (time.perf_counter() - started_s), returned))
    return {name: _outcome(runs, systems[name].workers) for name, runs in done.items()}


def _outcome(runs: Sequence[tuple[float, Any]], workers: int) -> Outcome:
    _, returned = sorted(runs, key=lambda run: run[0])[len(runs) // 2]
    return Outcome([rate for rate, _ in runs], workers, returned if isinstance(returned, Timings) else None)


def pcqtool_systems(sample: Sample, predictor: SegmentPredictor, settings: LabelSettings) -> dict[str, System]:
    """Return pcqtool itself, from decoding to both Parquet tables, without and with voice activity detection."""
    without = replace(settings, reader_options=replace(settings.reader_options, vad=False))
    return {VAD_OFF: _labelling(sample, predictor, without), VAD_ON: _labelling(sample, predictor, settings)}


def _labelling(sample: Sample, predictor: SegmentPredictor, settings: LabelSettings) -> System:
    label = partial(label_once, sample.sources, predictor, settings)
    return System(lambda: time_run(predictor, label), sample.audio_s, settings.n_jobs)
