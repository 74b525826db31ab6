"""Where the time of an end-to-end run goes: what the run waits for, and how long its device computes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch

from pcqtool.batch import run
from pcqtool.batch.device_pool import DevicePool
from pcqtool.batch.prefetch import prefetch
from pcqtool.model.predictor import Predictor
from pcqtool.model.segment_predictor import SegmentPredictor


@dataclass(frozen=True)
class Timings:
    """Seconds of a run.

    Attributes:
        whole: from the first decode to both tables.
        decoding: waiting for decoded recordings.
        network: waiting for the network, copies to and from the device included.
        busy: the device computing the network.
    """

    whole: float
    decoding: float
    network: float
    busy: float

    @property
    def busy_share(self) -> float:
        """Share of the run in which the device was computing."""
        return self.busy / self.whole

    def shares(self) -> dict[str, float]:
        """Return the shares of the run's own thread; the largest one names the bottleneck."""
        rest = max(0.0, self.whole - self.decoding - self.network)
        times = {"decoding": self.decoding, "the network": self.network, "rows and tables": rest}
        return {name: seconds / self.whole for name, seconds in times.items()}


@dataclass
class _Busy:
    """Clock of a network's calls, in any thread: CUDA events between kernels on a GPU, else the processor's clock."""

    device: torch.device
    calls: list[tuple[Any, Any]] = field(default_factory=list)
    thread: threading.local = field(default_factory=threading.local)

    def now(self) -> Any:
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.device))
        return event

    def begin(self, *_: object) -> None:
        self.thread.started = self.now()

    def end(self, *_: object) -> None:
        self.calls.append((self.thread.started, self.now()))

    def total_s(self) -> float:
        """Sum the time in which at least one call was being computed."""
        spans = list(self.calls)
        if self.device.type == "cuda" and spans:
            torch.cuda.synchronize(self.device)
            zero = spans[0][0]
            spans = [(zero.elapsed_time(start) / 1000.0, zero.elapsed_time(end) / 1000.0) for start, end in spans]
        return covered_s(spans)


def covered_s(spans: Sequence[tuple[float, float]]) -> float:
    """Return the time that spans cover together; what several cover counts once."""
    total_s, last_s = 0.0, -math.inf
    for start_s, end_s in sorted(spans):
        total_s += max(0.0, end_s - max(start_s, last_s))
        last_s = max(last_s, end_s)
    return total_s


def time_run(predictor: SegmentPredictor, work: Callable[[], object]) -> Timings:
    """Run some work that sends recordings through the predictor, and return where its time went."""
    waits_s: list[float] = []
    calls_s: list[float] = []
    busy, hooks = None, []
    if isinstance(predictor, Predictor):
        busy = _Busy(predictor.device)
        hooks.append(predictor.model.register_forward_pre_hook(busy.begin))
        hooks.append(predictor.model.register_forward_hook(busy.end))
    plain_submit = DevicePool.submit

    def timed_prefetch(*arguments: Any) -> Generator[Any]:
        pieces = prefetch(*arguments)
        try:
            while True:
                with _added(waits_s):
                    piece = next(pieces, None)
                if piece is None:
                    return
                yield piece
        finally:
            pieces.close()

    def timed_submit(*arguments: Any) -> Future[list[Any]]:
        with _added(calls_s):  # a CPU computes at once
            future = plain_submit(*arguments)
        result = future.result

        def wait(timeout: float | None = None) -> list[Any]:
            with _added(calls_s):  # a GPU may still be computing
                return result(timeout)

        vars(future)["result"] = wait
        return future

    try:
        with patch.object(run, "prefetch", timed_prefetch), patch.object(DevicePool, "submit", timed_submit):
            started_s = time.perf_counter()
            work()
            whole_s = time.perf_counter() - started_s
        busy_s = sum(calls_s) if busy is None else busy.total_s()  # OpenVINO computes on the processor, at once
        return Timings(whole_s, sum(waits_s), sum(calls_s), busy_s)
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _added(times_s: list[float]) -> Iterator[None]:
    started_s = time.perf_counter()
    yield
    times_s.append(time.perf_counter() - started_s)
