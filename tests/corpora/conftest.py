"""Plugins as ``importlib.metadata`` sees them when they are installed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.installed_plugins import install  # noqa: F401

GOOD = """
class {name}:
    name = "{corpus}"
    title = "A corpus"
    labels = ("anger", "neutral")
    citation = "Nobody 2020"
    licence = "CC0"
    url = "https://example.org/corpus"

    def __init__(self, root):
        self.root = root

    def utterances(self):
        return []
"""


@pytest.fixture
def good() -> Callable[[str], str]:
    """Return a function for the source of a module with a valid corpus class ``Good``."""
    return lambda corpus: GOOD.format(name="Good", corpus=corpus)
