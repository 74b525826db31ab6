"""Plugins as ``importlib.metadata`` sees them when they are installed."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
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

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that puts a distribution with entry points, and its module, on ``sys.path``."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def install(distribution: str, points: dict[str, str], source: str | None = None) -> None:
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[pcqtool.corpora]\n{lines}")
        if source is not None:
            (site / f"{distribution.replace('-', '_')}.py").write_text(source)

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    install("pcqtool", project["entry-points"]["pcqtool.corpora"])
    yield install
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(site):
            del sys.modules[name]


@pytest.fixture
def good() -> Callable[[str], str]:
    """Return a function for the source of a module with a valid corpus class ``Good``."""
    return lambda corpus: GOOD.format(name="Good", corpus=corpus)
