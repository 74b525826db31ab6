"""The same network on one device, or on several that take batches in turn; each learns how many segments fit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcqtool.batch.task import Network
from pcqtool.errors import ModelError

_log = logging.getLogger(__name__)


class DevicePool:
    """Computes batches, in one thread for each device.

    Args:
        networks: the network on each device.

    Attributes:
        n_ahead: batches in flight while the next one is being filled: two per device including that one, so that no
            device idles.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self._idle: SimpleQueue[AdaptiveBatch] = SimpleQueue()
        for network in networks:
            self._idle.put(AdaptiveBatch(network))
        self.n_ahead = 2 * len(networks) - 1
        self._executor = ThreadPoolExecutor(len(networks), "compute")

    def submit(self, waves: NDArray[np.float32], *columns: NDArray[np.int64]) -> Future[list[Any]]:
        """Compute a batch on the first device that is free; the result is a list with one value per segment.

        Args:
            waves: ``(B, N)``; must not change until the future is done.
            columns: the network's other arguments, ``(B,)`` each.

        The future raises a ModelError as ``AdaptiveBatch.compute``.
        """
        return self._executor.submit(self._compute, waves, *columns)

    def close(self) -> None:
        """Drop the batches that no device has begun."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _compute(self, waves: NDArray[np.float32], *columns: NDArray[np.int64]) -> list[Any]:
        device = self._idle.get()
        try:
            return device.compute(waves, *columns)
        finally:
            self._idle.put(device)


class AdaptiveBatch:
    """Computes batches in pieces that fit into a device's memory, and remembers the size that fits."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._n_fitting: int | None = None

    def compute(self, waves: NDArray[np.float32], *columns: NDArray[np.int64]) -> list[Any]:
        """Compute a batch.

        Raises:
            ModelError: if not even one segment fits, or if the network raises it.
        """
        values: list[Any] = []
        while (n_left := len(waves) - len(values)) > 0:
            n = min(n_left, self._n_fitting or n_left)
            piece = slice(len(values), len(values) + n)
            try:
                values.extend(self._network(waves[piece], *(column[piece] for column in columns)))
            except MemoryError as fault:
                if n == 1:
                    raise ModelError(
                        f"not enough memory for one segment ({fault})",
                        "Free memory, use a smaller model, or another --device.",
                    ) from fault
                self._n_fitting = n // 2
                _log.warning("not enough memory for %d segments at once: continuing with %d", n, self._n_fitting)
        return values
