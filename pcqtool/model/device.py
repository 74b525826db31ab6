"""Devices: which one is meant by a name, which several, and how many segments suit one."""

from __future__ import annotations

import torch

from pcqtool.errors import SettingsError

ALL = "cuda:all"


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` into a device; ``auto`` takes a GPU where there is one.

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
    have = {
        "cpu": True,
        "cuda": (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not have.get(device.type, False):
        raise SettingsError(f"this machine has no device {name!r}", "Run `pcqtool doctor`, or use --device auto.")
    return device


def choose_devices(names: str = "auto") -> list[torch.device]:
    """Turn a name, or those of several GPUs, ``cuda:0,cuda:1`` or ``cuda:all``, into devices, one at least.

    Raises:
        SettingsError: if this machine lacks one, or several are not GPUs, each named once.
    """
    if names == ALL:
        n_cuda = torch.cuda.device_count()
        return [choose_device(f"cuda:{number}") for number in range(max(1, n_cuda))]
    devices = [choose_device(name) for name in names.split(",")]
    if 1 < len(devices) != len({device.index or 0 for device in devices if device.type == "cuda"}):
        raise SettingsError(f"{names!r} are not several GPUs", f"Name each of them once: cuda:0,cuda:1, or {ALL}.")
    return devices


def suited_batch(device: torch.device) -> int:
    """Give the number of segments to compute at once where nobody has said how many."""
    return 256 if device.type == "cuda" else 32
