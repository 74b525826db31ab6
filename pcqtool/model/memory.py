"""A lack of memory, told alike on every device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_SIGNS = ("DefaultCPUAllocator", "out of memory", "not enough memory")  # of a RuntimeError: torch has no own on CPUs


@contextmanager
def memory_told() -> Iterator[None]:
    """Turn what torch raises for a lack of memory into a ``MemoryError``."""
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        if not isinstance(error, torch.OutOfMemoryError) and not any(sign in str(error) for sign in _SIGNS):
            raise
        raise MemoryError(str(error).partition("\n")[0]) from error
