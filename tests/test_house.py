"""The repository as a whole: layers, entry points, and files that must agree with each other."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pcqtool.version import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
TEXTS = {".py", ".md", ".toml", ".json", ".yaml", ".yml", ".sh", ""}
FOLDERS = ("pcqtool", "benchmarks", "plugins", "tests", "docs", "examples", ".ci")


def entry_points():
    yield from PROJECT["scripts"].items()
    for group in PROJECT["entry-points"].values():
        yield from group.items()


def texts():
    """Every file that people read."""
    inside = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    for path in (*ROOT.glob("*"), *inside):
        if path.is_file() and path.suffix in TEXTS and not {"venv", "__pycache__"} & set(path.parts):
            yield path


def test_layers_are_kept():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("name", "value"), list(entry_points()))
def test_entry_points_resolve(name, value):
    module, attribute = value.split(":")
    assert callable(getattr(importlib.import_module(module), attribute))


def test_no_path_of_a_machine_is_written_down():
    machine = re.compile(r"(?<![\w.>/])/(?:" + "|".join(("work", "root")) + r")/\w")
    for path in texts():
        found = machine.search(path.read_text("utf-8", errors="replace"))
        assert found is None, f"{path}: {found[0] if found else ''}"


def test_changelog_knows_the_version():
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_make_knows_what_the_readme_and_ci_call():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    called = {
        target
        for name in ("README.md", "CONTRIBUTING.md", ".ci/run")
        for target in re.findall(r"^\s*(?:\$ )?make ([a-z]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    }
    assert "test" in called
    assert called <= targets
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_licence_is_the_one_that_is_declared():
    assert PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text("utf-8").startswith("MIT License")
