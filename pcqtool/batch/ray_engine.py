"""The parts of a run on a Ray cluster: an actor pool in which each actor has loaded the model once.

Actors write their parts themselves, into the output's folder, which all nodes must share. An actor or a node that dies
is replaced and its part done again; what is finished stays, since parts appear whole, as in any other run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pcqtool.batch.plan import Plan
from pcqtool.batch.store import Store
from pcqtool.batch.summary import Summary
from pcqtool.batch.work import Work
from pcqtool.errors import SettingsError

if TYPE_CHECKING:
    from pcqtool.audio.discover import Source

RETRIES = 3  # of a part whose actor died: a recording that kills its reader must not do so for ever


def run_on_ray(
    plan: Plan,
    store: Store,
    load: Callable[[], Work],
    workers: int = 0,
    on_file: Callable[[Source], None] = lambda source: None,
) -> Summary:
    """Do what the plan holds on the cluster named by ``RAY_ADDRESS``, or on a local one that is started for it.

    Args:
        plan: the parts.
        store: the output, locked.
        load: makes the work ready, on an actor's node.
        workers: number of actors; 0 for one a GPU, or without any one for two processor cores.
        on_file: called for each recording once its part is done.

    Raises:
        SettingsError: if ray is not installed.
        PcqtoolError: what ends a run on one machine, too.
    """
    ray = _ray()
    started_s = time.monotonic()
    summary = Summary(n_done_before=plan.n_done, n_replaced=len(plan.stale))
    store.prepare(plan.stale)
    first = store.next_part
    resources, count = _share(ray, workers)
    actor = ray.remote(max_restarts=-1, max_task_retries=RETRIES, **resources)(_Worker)
    idle = [actor.remote(load, store) for _ in range(min(count, len(plan.parts)))]
    waiting = list(reversed(list(enumerate(plan.parts, first))))
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
    """An actor: the work, loaded once."""

    def __init__(self, load: Callable[[], Work], store: Store) -> None:
        self.work = load()
        self.store = store

    def do(self, number: int, sources: tuple[Source, ...]) -> list[dict[str, Any]]:
        """Do a part and write it; give its rows of the file table."""
        from pcqtool.batch.run import do_part

        self.store.next_part = number
        return do_part(sources, self.store, self.work)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise SettingsError("--engine ray needs Ray", "Run: pip install 'pcqtool[ray]'") from None
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False, logging_level="error")
    return ray


def _share(ray: Any, workers: int) -> tuple[dict[str, float], int]:
    """Give an actor's resources, and how many actors there are."""
    have = ray.cluster_resources()
    gpus, cpus = have.get("GPU", 0), have.get("CPU", 1)
    count = workers or int(gpus or max(1, cpus // 2))
    return {"num_cpus": cpus / count if count > cpus else cpus // count, "num_gpus": min(1, gpus / count)}, count


def _result(ray: Any, done: Any) -> list[dict[str, Any]]:
    from pcqtool.errors import PcqtoolError

    try:
        rows: list[dict[str, Any]] = ray.get(done)
        return rows
    except ray.exceptions.RayTaskError as fault:
        if isinstance(fault.cause, PcqtoolError):
            raise fault.cause from None
        raise
