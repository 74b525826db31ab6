"""The parts of a run on a Ray cluster: an actor pool in which each actor has loaded the model once.

Actors write their parts themselves, into the output's folder, which all nodes must share. An actor or a node that dies
is replaced and its part done again; what is finished stays, since parts appear whole, as in any other run.
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

RETRIES = 3  # of a part whose actor died: a recording that kills its reader must not do so for ever


def run_on_ray(
    plan: Plan,
    store: RunOutput,
    load: Callable[[], BatchTask],
    workers: int = 0,
    on_file: Callable[[Source], None] = lambda source: None,
    on_ready: Callable[[], None] = lambda: None,
) -> Summary:
    """Do what the plan holds on the cluster named by ``RAY_ADDRESS``, or on a local one that is started for it.

    No part is handed out before every actor has loaded the work, side by side.

    Args:
        plan: the parts, cut anew for the actors.
        store: the output, locked.
        load: makes the work ready, on an actor's node.
        workers: number of actors; 0 for one a GPU, or without any one for two processor cores.
        on_file: called for each recording once its part is done.
        on_ready: called once all actors have loaded the work; nothing was written before.

    Raises:
        SettingsError: if ray is not installed.
        PcqtoolError: what ends a run on one machine, too.
    """
    ray = _ray()
    began_s = time.monotonic()
    resources, count = _share(ray.nodes(), workers)
    parts = plan.parts_for(count)
    store.stale = plan.stale  # the actors' copies of it are to know, too
    actor = ray.remote(max_restarts=-1, max_task_retries=RETRIES, **resources)(_Worker)
    n_cores = max(1, int(resources["num_cpus"]))
    idle = [actor.remote(load, store, n_cores) for _ in range(min(count, len(parts)))]
    for loaded in [worker.start_decoders.remote() for worker in idle]:
        _result(ray, loaded)
    on_ready()
    started_s = time.monotonic()
    summary = Summary(n_done_before=plan.n_done, n_replaced=len(plan.stale), load_s=started_s - began_s)
    store.prepare(plan.stale)
    waiting = list(reversed(list(enumerate(parts, store.next_part))))
    busy: dict[Any, tuple[Any, tuple[Source, ...]]] = {}
    while waiting or busy:
        while waiting and idle:
            number, sources = waiting.pop()
            worker = idle.pop()
            busy[worker.do.remote(number, sources)] = worker, sources
        (done, *_), _ = ray.wait(list(busy))
        worker, sources = busy.pop(done)
        idle.append(worker)
        summary.add(_result(ray, done))
        for source in sources:
            on_file(source)
    summary.elapsed_s = time.monotonic() - started_s
    store.finish()
    return summary


class _Worker:
    """An actor: the work, loaded once, and once more by an actor in a dead one's place."""

    def __init__(self, load: Callable[[], BatchTask], store: RunOutput, n_cores: int) -> None:
        self.load = load
        self.store = store
        self.n_cores = n_cores

    @cached_property
    def work(self) -> BatchTask:
        """The work, which keeps to the actor's share of the cores."""
        os.environ["LOKY_MAX_CPU_COUNT"] = str(self.n_cores)  # what joblib takes for the number of cores
        import torch

        torch.set_num_threads(self.n_cores)
        return self.load()

    def start_decoders(self) -> None:
        """Load the work, and start what decodes."""
        from pcqtool.batch.prefetch import start_decoders

        start_decoders(self.work.settings)

    def do(self, number: int, sources: tuple[Source, ...]) -> list[dict[str, Any]]:
        """Do a part and write it; give its rows of the file table."""
        from pcqtool.batch.run import run_part

        self.store.next_part = number
        return run_part(sources, self.store, self.work)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise SettingsError("--engine ray needs Ray", "Run: pip install 'pcqtool[ray]'") from None
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False, logging_level="error")
    return ray


def _share(nodes: Sequence[Mapping[str, Any]], workers: int) -> tuple[dict[str, float], int]:
    """Give an actor's resources, and how many actors there are."""
    have = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = [each["GPU"] for each in have if each.get("GPU")]
    cpus = [each.get("CPU", 0.0) for each in have if each.get("GPU") or not gpus]
    count = workers or int(sum(gpus) or max(1, sum(cpus) // 2))
    return {"num_cpus": _each(cpus, count), "num_gpus": min(1.0, _each(gpus, count)) if gpus else 0.0}, count


def _each(nodes: Sequence[float], count: int) -> float:
    """Give the most cores or GPUs, whole ones or a fraction of one, that so many actors can have, none across nodes."""
    for whole in range(int(max(nodes)), 0, -1):
        if sum(have // whole for have in nodes) >= count:
            return float(whole)
    a_core = math.ceil(count / max(1, sum(map(int, nodes))))
    return math.floor(1e4 / a_core) / 1e4  # Ray rounds to four digits: up, not all would find a place


def _result(ray: Any, done: Any) -> list[dict[str, Any]]:
    from pcqtool.errors import PcqtoolError

    try:
        rows: list[dict[str, Any]] = ray.get(done)
        return rows
    except ray.exceptions.RayTaskError as fault:
        if isinstance(fault.cause, PcqtoolError):
            raise fault.cause from None
        raise
