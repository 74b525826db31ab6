"""Keeping modules out of a process that does not use them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Absent:
    """A finder of modules for which some do not exist."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name in self._names:
            raise ModuleNotFoundError(name)
        return None


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Let imports of some modules fail while the context is open, as if they were not installed.

    Examples:
        >>> with without("antigravity"):
        ...     import antigravity
        Traceback (most recent call last):
        ModuleNotFoundError: antigravity
    """
    finder = _Absent(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
