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
import yaml

from pcqtool.version import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WORKFLOWS = ROOT / ".github" / "workflows"
WORKFLOW = yaml.safe_load((WORKFLOWS / "ci.yml").read_text("utf-8"))
TEXTS = {".py", ".md", ".toml", ".json", ".yaml", ".yml", ".cff", ".sh", ""}
FOLDERS = ("pcqtool", "plugins", "tests", "docs", "examples", "benchmarks", ".ci", ".github")


def entry_points():
    yield from PROJECT["scripts"].items()
    for group in PROJECT["entry-points"].values():
        yield from group.items()


def texts():
    """Every file that people read."""
    inside = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    for path in (*ROOT.glob("*"), *inside):
        # In a linked work tree, .git is a file with the repository's place.
        if path.is_file() and path.suffix in TEXTS and not {".git", "venv", "__pycache__"} & set(path.parts):
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


def test_the_citation_is_of_the_version_and_its_date():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == __version__
    assert f"## [{__version__}] - {citation['date-released']}\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_public_workflow_runs_what_make_test_runs():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    recipe = re.search(r"^test:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    commands = re.findall(r"^\t\$\(BIN\)/(.+)$", recipe, re.MULTILINE)
    assert commands[-1].split()[0] == "pytest"
    jobs = WORKFLOW["jobs"]
    steps = [step["run"] for step in jobs["test"]["steps"] if "run" in step]
    assert steps[-len(commands) :] == commands
    every = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    assert set(re.findall(r"make (\w+)", every)) <= set(re.findall(r"^(\w+):", makefile, re.MULTILINE))


def test_the_public_workflow_tests_what_is_declared():
    torch = [each for each in PROJECT["dependencies"] if each.startswith("torch")]
    assert [WORKFLOW["env"]["TORCH"], WORKFLOW["env"]["TORCHAUDIO"]] == torch
    pythons = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"] == pythons
    assert PROJECT["requires-python"] == f">={pythons[0]}"


def test_a_release_waits_for_every_check_and_publishes_what_they_tried():
    publish = yaml.safe_load((WORKFLOWS / "release.yml").read_text("utf-8"))["jobs"]["publish"]
    artifacts = {
        step["uses"].split("@")[0]: step["with"]["name"]
        for step in (*WORKFLOW["jobs"]["distribution"]["steps"], *publish["steps"])
        if "-artifact@" in step.get("uses", "")
    }
    assert publish["needs"] == "ci"
    assert artifacts == {"actions/upload-artifact": "dist", "actions/download-artifact": "dist"}


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
