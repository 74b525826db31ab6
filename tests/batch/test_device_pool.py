from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest

from pcqtool.batch.device_pool import DevicePool
from pcqtool.errors import ModelError

WAVES, N_SAMPLES = np.arange(12, dtype=np.float32).reshape(6, 2), np.full(6, 2)


class Device:
    """Doubles, and notes the threads and sizes; more than ``n_fitting`` at once are too many; waits to be let go."""

    def __init__(self, n_fitting=100, go=None):
        self.n_fitting = n_fitting
        self.go = go
        self.threads, self.sizes = [], []

    def __call__(self, waves, n_samples):
        self.threads.append(threading.current_thread())
        if self.go is not None:
            assert self.go.wait(60)
        if len(waves) > self.n_fitting:
            raise MemoryError("no room")
        self.sizes.append(len(waves))
        return 2 * waves


def test_a_device_computes_while_the_next_batch_is_filled():
    go = threading.Event()
    device = Device(go=go)
    pool = DevicePool([device])
    assert pool.n_ahead == 1
    future = pool.submit(WAVES, N_SAMPLES)  # comes back at once: the device waits
    go.set()
    np.testing.assert_array_equal(future.result(), 2 * WAVES)
    assert device.threads != [threading.current_thread()]
    pool.close()


def test_a_batch_goes_to_the_device_that_is_free():
    go = threading.Event()
    slow, quick = Device(go=go), Device()
    pool = DevicePool([slow, quick])
    futures = [pool.submit(WAVES + number, N_SAMPLES) for number in range(pool.n_ahead)]
    for number in range(1, pool.n_ahead):  # all but the first, which the slow one has
        np.testing.assert_array_equal(futures[number].result(), 2 * (WAVES + number))
    go.set()
    np.testing.assert_array_equal(futures[0].result(), 2 * WAVES)
    assert (len(slow.sizes), len(quick.sizes)) == (1, pool.n_ahead - 1)
    pool.close()
    assert threading.current_thread() not in slow.threads + quick.threads


def test_each_device_knows_how_much_fits():
    small, large = Device(n_fitting=2), Device()
    pool = DevicePool([small, large])
    for _ in range(8):  # each is free in turn
        np.testing.assert_array_equal(pool.submit(WAVES, N_SAMPLES).result(), 2 * WAVES)
    assert set(small.sizes) == {1}  # of six three do not fit, either
    assert set(large.sizes) == {6}
    assert sum(small.sizes) + sum(large.sizes) == 8 * len(WAVES)
    pool.close()


@pytest.mark.parametrize("n", [1, 2])
def test_no_memory_for_one_segment_is_told(n):
    pool = DevicePool([Device(n_fitting=0)] * n)
    with pytest.raises(ModelError, match="not enough memory for one segment"):
        pool.submit(WAVES, N_SAMPLES).result()
    pool.close()


def test_what_waits_is_dropped_when_closed():
    go = threading.Event()
    devices = [Device(go=go), Device(go=go)]
    pool = DevicePool(devices)
    futures = [pool.submit(WAVES, N_SAMPLES) for _ in range(4)]
    while not all(device.threads for device in devices):
        pass
    pool.close()
    go.set()
    assert len(futures[0].result()) == len(futures[1].result()) == len(WAVES)
    with pytest.raises(CancelledError):
        futures[3].result()
    assert sum(len(device.threads) for device in devices) == 2
