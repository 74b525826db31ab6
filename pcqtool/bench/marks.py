"""Where the time of a run from end to end goes: what it waits for, and how long its device is at work."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from pcqtool.batch import run
from pcqtool.batch.device_pool import DevicePool, Promise
from pcqtool.batch.prefetch import prefetch
from pcqtool.bench.swap import swapped
from pcqtool.model.predictor import Predictor


@dataclass(frozen=True)
class Marks:
    """Seconds of a run.

    Attributes:
        whole: from the first decode to both tables.
        decoding: waiting for decoded recordings.
        network: waiting for the network, copies to and from the device included.
        busy: the device at work on the network.
    """

    whole: float
    decoding: float
    network: float
    busy: float

    @property
    def busy_share(self) -> float:
        """Share of the run in which the device was at work."""
        return self.busy / self.whole

    def shares(self) -> dict[str, float]:
        """Give what the run's own thread spent its time on; the largest share is what limits it."""
        rest = max(0.0, self.whole - self.decoding - self.network)
        times = {"decoding": self.decoding, "the network": self.network, "rows and tables": rest}
        return {name: seconds / self.whole for name, seconds in times.items()}


@dataclass
class _Busy:
    """Measures a network's calls: on a GPU by events between its kernels, else by the clock."""

    device: torch.device
    marks: list[tuple[Any, Any]] = field(default_factory=list)

    def now(self) -> Any:
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.device))
        return event

    def begin(self, *_: object) -> None:
        self.marks.append((self.now(), None))

    def end(self, *_: object) -> None:
        self.marks[-1] = self.marks[-1][0], self.now()

    def total_s(self) -> float:
        if self.device.type != "cuda":
            return float(sum(end - start for start, end in self.marks))
        torch.cuda.synchronize(self.device)
        return float(sum(start.elapsed_time(end) for start, end in self.marks)) / 1000.0


def mark(predictor: Predictor, work: Callable[[], object]) -> Marks:
    """Do some work that runs recordings through the predictor, and say where its time went."""
    waits: list[float] = []
    calls: list[float] = []
    busy = _Busy(predictor.device)
    before = predictor.model.register_forward_pre_hook(busy.begin)
    after = predictor.model.register_forward_hook(busy.end)
    plain_submit = DevicePool.submit

    def decode(*arguments: Any) -> Generator[Any]:
        pieces = prefetch(*arguments)
        try:
            while True:
                with _added(waits):
                    piece = next(pieces, None)
                if piece is None:
                    return
                yield piece
        finally:
            pieces.close()

    def submit(*arguments: Any) -> Promise:
        with _added(calls):  # a processor computes at once
            promise = plain_submit(*arguments)

        def wait() -> list[Any]:
            with _added(calls):  # a GPU may still be computing
                return promise()

        return wait

    try:
        with swapped(run, "decode_all", decode), swapped(DevicePool, "submit", submit):
            started_s = time.perf_counter()
            work()
            whole = time.perf_counter() - started_s
        return Marks(whole, sum(waits), sum(calls), busy.total_s())
    finally:
        before.remove()
        after.remove()


@contextmanager
def _added(times_s: list[float]) -> Iterator[None]:
    started_s = time.perf_counter()
    yield
    times_s.append(time.perf_counter() - started_s)
