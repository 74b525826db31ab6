"""Runs on a Ray cluster: a pool of actors that each load the model once and process parts.

Actors write their parts into the output's folder, which all nodes must share. If an actor or a node dies, it is
replaced and its part is processed again; finished parts stay, since parts appear whole, as in any other run.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pcqtool.batch.output import RunOutput
from pcqtool.batch.plan import Plan
from pcqtool.batch.summary import Summary
from pcqtool.batch.task import BatchTask
from pcqtool.errors import SettingsError

if TYPE_CHECKING:
    from pcqtool.batch.names import Source

RETRIES = 3  # for a part whose actor died: a recording that kills its reader must not do so forever


def run_on_ray(
    plan: Plan,
    output: RunOutput,
    load: Callable[[], BatchTask],
    workers: int = 0,
    on_file: Callable[[Source], None] = lambda source: None,
    on_ready: Callable[[], None] = lambda: None,
    prepare: Callable[[Callable[[Callable[[Any], Any]], Any]], None] = lambda run: None,
) -> Summary:
    """Run a plan on the cluster of ``RAY_ADDRESS``, or on a local cluster that is started for it.

    All actors load the task side by side; only then the first parts are assigned.

    Args:
        plan: the recordings; they are divided into parts for the actors.
        output: where the tables go; the caller has locked it.
        load: loads the task, on an actor's node.
        workers: number of actors; 0 for one per GPU, or one per two processor cores on a cluster without GPUs.
        on_file: called for each recording of a finished part.
        on_ready: called when all actors have loaded the task; no part is written before.
        prepare: called before the actors start, with a function that runs a function of the task on a node.

    Raises:
        SettingsError: if ray is not installed.
        PcqtoolError: as ``run``.
    """
    ray = _ray()
    began_s = time.monotonic()
    resources, count = _resources(ray.nodes(), workers)
    parts = plan.parts_for(count)
    output.stale = plan.stale  # before it is copied to the actors
    n_cores = max(1, int(resources["num_cpus"]))
    once = ray.remote(**resources)(_run_with_task)
    prepare(lambda function: _result(ray, once.remote(load, output, n_cores, function)))
    actor = ray.remote(max_restarts=-1, max_task_retries=RETRIES, **resources)(_Worker)
    idle = [actor.remote(load, output, n_cores) for _ in range(min(count, len(parts)))]
    for loaded in [worker.prepare.remote() for worker in idle]:
        _result(ray, loaded)
    on_ready()
    started_s = time.monotonic()
    summary = Summary(n_done_before=plan.n_done, n_replaced=len(plan.stale), load_s=started_s - began_s)
    output.prepare(plan.stale)
    pending = list(reversed(list(enumerate(parts, output.next_part))))
    busy: dict[Any, tuple[Any, tuple[Source, ...]]] = {}
    while pending or busy:
        while pending and idle:
            number, sources = pending.pop()
            worker = idle.pop()
            busy[worker.run_part.remote(number, sources)] = worker, sources
        (done, *_), _ = ray.wait(list(busy))
        worker, sources = busy.pop(done)
        idle.append(worker)
        summary.add(_result(ray, done))
        for source in sources:
            on_file(source)
    summary.elapsed_s = time.monotonic() - started_s
    output.finish()
    return summary


class _Worker:
    """An actor; it loads the task once. An actor that replaces a dead one loads it again."""

    def __init__(self, load: Callable[[], BatchTask], output: RunOutput, n_cores: int) -> None:
        self.load = load
        self.output = output
        self.n_cores = n_cores

    @cached_property
    def task(self) -> BatchTask:
        """The task, limited to the actor's share of the cores."""
        os.environ["LOKY_MAX_CPU_COUNT"] = str(self.n_cores)  # joblib reads the number of cores from it
        import torch

        torch.set_num_threads(self.n_cores)
        return self.load()

    def prepare(self) -> None:
        """Load the task, and start the decoders."""
        from pcqtool.batch.prefetch import start_decoders

        start_decoders(self.task.settings)

    def run_part(self, number: int, sources: tuple[Source, ...]) -> list[dict[str, Any]]:
        """Process and write a part; return its rows of the file table."""
        from pcqtool.batch.run import run_part

        self.output.next_part = number
        return run_part(sources, self.output, self.task)


def _run_with_task(
    load: Callable[[], BatchTask], output: RunOutput, n_cores: int, function: Callable[[Any], Any]
) -> Any:
    worker = _Worker(load, output, n_cores)
    worker.prepare()
    return function(worker.task)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise SettingsError("--engine ray needs Ray", "Run: pip install 'pcqtool[ray]'") from None
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False, logging_level="error")
    return ray


def _resources(nodes: Sequence[Mapping[str, Any]], workers: int) -> tuple[dict[str, float], int]:
    """Return the resources of an actor, and the number of actors."""
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = [each["GPU"] for each in alive if each.get("GPU")]
    cpus = [each.get("CPU", 0.0) for each in alive if each.get("GPU") or not gpus]
    count = workers or int(sum(gpus) or max(1, sum(cpus) // 2))
    return {"num_cpus": _per_actor(cpus, count), "num_gpus": min(1.0, _per_actor(gpus, count)) if gpus else 0.0}, count


def _per_actor(nodes: Sequence[float], count: int) -> float:
    """Return the most cores or GPUs, whole or a fraction of one, per actor; no actor spans several nodes."""
    for whole in range(int(max(nodes)), 0, -1):
        if sum(units // whole for units in nodes) >= count:
            return float(whole)
    per_unit = math.ceil(count / max(1, sum(map(int, nodes))))
    return math.floor(1e4 / per_unit) / 1e4  # Ray rounds to four digits: rounded up, not all actors would fit


def _result(ray: Any, done: Any) -> Any:
    from pcqtool.errors import PcqtoolError

    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as fault:
        if isinstance(fault.cause, PcqtoolError):
            raise fault.cause from None
        raise
