"""Keeping libraries out of a command that does not use them."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType


class _NoPandas:
    """A finder of modules for which pandas does not exist."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError(name)
        return None


def without_pandas() -> None:
    """Let pyarrow work without pandas in this process: it would load it, where installed, for its first array."""
    import pyarrow as pa

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(finder)
