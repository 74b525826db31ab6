"""The threads of numpy's matrix products: one, where callers compute side by side already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

_lock = Lock()
_open: list[Any] = []  # the limit, once for each context that is open


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute numpy's matrix products in one thread while the context is open; torch's threads are others.

    The number of threads is the whole process's. The last of several contexts to close restores it.
    """
    with _lock:
        _open.append(_open[0] if _open else _openblas().limit(limits=1))
    try:
        yield
    finally:
        with _lock:
            limit = _open.pop()
            if not _open:
                limit.restore_original_limits()


@cache
def _openblas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(internal_api="openblas")
