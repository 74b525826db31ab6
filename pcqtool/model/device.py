"""Devices: parsing their names, default batch sizes, and errors when memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pcqtool.errors import SettingsError

ALL = "cuda:all"

_MEMORY_MESSAGES = ("DefaultCPUAllocator", "out of memory", "not enough memory")  # torch has no error class for CPUs


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Return the device named ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; ``auto`` prefers a GPU.

    Raises:
        SettingsError: if this machine has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SettingsError(f"unknown device {name!r}", "Use auto, cpu, cuda, cuda:1 or mps.") from None
    available = {
        "cpu": True,
        "cuda": (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise SettingsError(f"this machine has no device {name!r}", "Run `pcqtool doctor`, or use --device auto.")
    return device


def choose_devices(names: str = "auto") -> list[torch.device]:
    """Return one device, or several GPUs for ``cuda:0,cuda:1`` or ``cuda:all``.

    Raises:
        SettingsError: if this machine lacks one of them, or several devices are not distinct GPUs.
    """
    if names == ALL:
        n_cuda = torch.cuda.device_count()
        return [choose_device(f"cuda:{number}") for number in range(max(1, n_cuda))]
    devices = [choose_device(name) for name in names.split(",")]
    if 1 < len(devices) != len({device.index or 0 for device in devices if device.type == "cuda"}):
        raise SettingsError(
            f"{names!r} does not name different GPUs", f"Name each of them once: cuda:0,cuda:1, or {ALL}."
        )
    return devices


def default_batch_size(device: torch.device) -> int:
    """Return the number of segments per batch if the user sets none."""
    return 256 if device.type == "cuda" else 32


@contextmanager
def raising_memory_errors() -> Iterator[None]:
    """Convert torch's errors about lack of memory, on any device, into a ``MemoryError``."""
    try:
        yield
    except RuntimeError as error:  # the base class of torch.OutOfMemoryError
        if not isinstance(error, torch.OutOfMemoryError) and not any(each in str(error) for each in _MEMORY_MESSAGES):
            raise
        raise MemoryError(str(error).partition("\n")[0]) from error
