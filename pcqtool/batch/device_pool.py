"""The same network on one device, or on several that take batches in turn; each knows how much fits into its memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcqtool.batch.task import Compute
from pcqtool.errors import ModelError

Promise = Callable[[], list[Any]]
"""Gives a batch's values, one a segment, and waits for them; raises what computing them did."""

_log = logging.getLogger(__name__)


class DevicePool:
    """Computes batches: a processor in the caller's thread, a GPU or several devices in a thread each.

    Args:
        computes: of each device.
        aside: whether the devices leave the processor's cores free.

    Attributes:
        n_ahead: batches that may be under way while the next is filled: of a processor none, else as many as make
            two a device with that one, so that another lies ready where one ends.
    """

    def __init__(self, computes: Sequence[Compute], aside: bool = False) -> None:
        self._free: SimpleQueue[AdaptiveBatch] = SimpleQueue()
        for compute in computes:
            self._free.put(AdaptiveBatch(compute))
        self.n_ahead = 2 * len(computes) - 1 if aside or len(computes) > 1 else 0
        self._pool = ThreadPoolExecutor(len(computes), "compute") if self.n_ahead else None

    def submit(self, waves: NDArray[np.float32], n_samples: NDArray[np.int64]) -> Promise:
        """Compute a batch, by the device that is free first.

        Args:
            waves: ``(B, N)``; where batches may be under way, they must stay as they are until the promise is kept.
            n_samples: ``(B,)``.

        Raises:
            ModelError: as ``AdaptiveBatch.compute``; where batches may be under way, by the promise.
        """
        if self._pool is not None:
            return self._pool.submit(self._compute, waves, n_samples).result
        values = self._compute(waves, n_samples)
        return lambda: values

    def close(self) -> None:
        """Compute nothing more than what is being computed."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _compute(self, waves: NDArray[np.float32], n_samples: NDArray[np.int64]) -> list[Any]:
        fitting = self._free.get()
        try:
            return fitting.compute(waves, n_samples)
        finally:
            self._free.put(fitting)


class AdaptiveBatch:
    """Computes batches in pieces that fit into a device's memory; what size fits is remembered."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._n_fitting: int | None = None

    def compute(self, waves: NDArray[np.float32], n_samples: NDArray[np.int64]) -> list[Any]:
        """Compute a batch.

        Raises:
            ModelError: if not even one segment fits, or by the network.
        """
        values: list[Any] = []
        while (n_left := len(waves) - len(values)) > 0:
            n = min(n_left, self._n_fitting or n_left)
            piece = slice(len(values), len(values) + n)
            try:
                values.extend(self._compute(waves[piece], n_samples[piece]))
            except MemoryError as fault:
                if n == 1:
                    raise ModelError(
                        f"there is not enough memory for one segment ({fault})",
                        "Free some, take a smaller model, or compute elsewhere with --device.",
                    ) from fault
                self._n_fitting = n // 2
                _log.warning("not enough memory for %d segments at once: going on with %d", n, self._n_fitting)
        return values
