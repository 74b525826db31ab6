"""The threads of numpy's matrix products: one, where callers compute side by side already."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any


def one_thread() -> AbstractContextManager[object]:
    """Compute numpy's matrix products in one thread while the context is open; torch's threads are others."""
    limited: AbstractContextManager[object] = _openblas().limit(limits=1)
    return limited


@cache
def _openblas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(internal_api="openblas")
