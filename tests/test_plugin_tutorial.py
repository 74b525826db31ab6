"""docs/plugins.md, done as it says: from an empty folder to a trained model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
PLUGIN = "plugins/mine/pcqtool_mine.py"


def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall((ROOT / "docs" / "plugins.md").read_text("utf-8"))


def files() -> dict[str, str]:
    """The files that the page shows: their first line is a comment with their path."""
    named = (re.match(r"# (\S+)\n", text) for _, text in blocks())
    return {match[1]: text for match, (_, text) in zip(named, blocks(), strict=True) if match}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A throwaway environment on top of this one, with nothing in it yet."""
    place = tmp_path / "environment"
    venv.create(place, with_pip=False)
    paths = {"base": str(place), "platbase": str(place)}
    above = sysconfig.get_path("purelib")
    site = Path(sysconfig.get_path("purelib", "venv" if "venv" in sysconfig.get_scheme_names() else None, paths))
    (site / "above.pth").write_text(f"{ROOT}\nimport site; site.addsitedir({above!r})\n")
    for name, module in {"pip": "pip", "pytest": "pytest -p no:cacheprovider", "pcqtool": "pcqtool"}.items():
        (place / "bin" / name).write_text(f'#!/bin/sh\nexec "{place}/bin/python" -m {module} "$@"\n')
        (place / "bin" / name).chmod(0o755)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PCQTOOL_", "PYTEST_"))}
    # No network: what the build needs is in this environment. (pip reads 0 here as "no isolation".)
    pip = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    path = f"{place / 'bin'}{os.pathsep}{own['PATH']}"
    return own | pip | {"PATH": path, "PIP_ROOT_USER_ACTION": "ignore", "NO_COLOR": "1"}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the page's commands are for a shell")
def test_the_tutorial_works_as_it_stands(environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for name, text in files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    printed = ""
    for language, text in blocks():
        if language == "sh":
            done = subprocess.run(
                ["sh", "-euc", text], cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            printed += done.stdout
        elif language == "text" and not text.startswith("downloads"):
            assert text in printed
    assert re.search(r"^mine +My corpus +yours +pcqtool-mine 0\.1\.0 +ok$", printed, re.MULTILINE)
    assert "1 passed" in printed
    assert (folder / "model" / "model.safetensors").is_file()


def test_the_template_in_the_repository_is_the_same_plugin() -> None:
    template = (ROOT / "plugins/example/pcqtool_example.py").read_text("utf-8")
    renamed = files()[PLUGIN].replace("Mine", "Example").replace("mine", "example")
    assert template.split("class ")[1].replace("Template of a plugin", "My corpus") == renamed.split("class ")[1]


def test_a_plugin_is_forty_lines_at_most() -> None:
    assert len(files()[PLUGIN].splitlines()) <= 40


def test_the_page_names_what_there_is() -> None:
    text = (ROOT / "docs" / "plugins.md").read_text("utf-8")
    for path in re.findall(r"`(pcqtool/[\w/]+\.py)`", text):
        assert (ROOT / path).is_file()
    assert sys.version_info >= (3, 11)
