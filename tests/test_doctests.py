"""Runs the examples in docstrings."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import pcqtool

PACKAGE = Path(pcqtool.__file__).parent
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_examples_of_a_module_run(path: Path) -> None:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
    assert doctest.testmod(module).failed == 0


def test_the_network_and_its_modules_have_examples() -> None:
    names = {path.relative_to(PACKAGE / "model").as_posix() for path in FILES if PACKAGE / "model" in path.parents}
    assert names >= {"pcq.py", "mlcnn.py", "pdc.py", "csq.py", "attention.py", "predictor.py", "encoders/base.py"}
