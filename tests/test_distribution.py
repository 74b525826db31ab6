"""The source distribution is the whole repository, and the wheel that it builds is the wheel of the repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = (".ci", ".github", "benchmarks", "docs", "examples", "pcqtool", "plugins", "tests")
# What git ignores.
MADE = ".git .*_cache .hypothesis .venv venv __pycache__ *.egg-info build dist runs .coverage*"


def build(kind: str, tree: Path, out: Path) -> Path:
    """Build without a network: the build backend is the one of this environment."""
    call = f"import sys; from setuptools import build_meta; print(build_meta.build_{kind}(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", call, out], cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository without anything that git ignores."""
    return shutil.copytree(
        ROOT, tmp_path_factory.mktemp("tree") / "pcqtool", ignore=shutil.ignore_patterns(*MADE.split())
    )


@pytest.fixture(scope="module")
def sdist(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    out = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", tree, out)) as archive:
        archive.extractall(out, filter="data")
    [folder] = (path for path in out.iterdir() if path.is_dir())
    return folder


@pytest.fixture(scope="module")
def wheel(tree: Path, sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel of the repository; it is built after the source distribution, so as not to lend it a file."""
    with zipfile.ZipFile(build("wheel", tree, tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_source_distribution_holds_the_repository(sdist: Path) -> None:
    wanted = {path.name for path in ROOT.glob("[A-Z]*") if path.is_file()} | {
        ".gitignore",
        ".pre-commit-config.yaml",
        "mkdocs.yml",
        "pyproject.toml",
        "setup.py",
    }
    for name in FOLDERS:
        copy = shutil.copytree(
            ROOT / name, sdist.with_name("wanted") / name, ignore=shutil.ignore_patterns(*MADE.split())
        )
        wanted |= {f"{name}/{each}" for each in files(copy)}
    found = files(sdist)
    assert wanted - found == set()
    made = {"PKG-INFO", "setup.cfg"}
    assert {each for each in found - wanted if each not in made and ".egg-info/" not in each} == set()


def test_the_source_distribution_builds_the_same_wheel(sdist: Path, wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    with zipfile.ZipFile(build("wheel", sdist, tmp_path)) as rebuilt:
        assert sorted(rebuilt.namelist()) == sorted(wheel.namelist())
        assert [name for name in wheel.namelist() if rebuilt.read(name) != wheel.read(name)] == []


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    package = shutil.copytree(
        ROOT / "pcqtool", Path(wheel.filename or "").with_name("wanted"), ignore=shutil.ignore_patterns(*MADE.split())
    )
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == {f"pcqtool/{name}" for name in files(package)}


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    [name] = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return HeaderParser().parsestr(wheel.read(name).decode())


def test_the_page_on_an_index_has_no_link_that_is_broken_there(metadata: Message) -> None:
    page = metadata.get_payload()
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert page.startswith("# pcqtool\n")
    assert re.findall(r"\]\((?!https?://)[^)]*\)", page) == []
    named = set(re.findall(r"`((?:docs|plugins)/[\w/-]+\.md)`", page))
    assert "docs/install.md" in named
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_the_metadata_are_those_of_a_release(metadata: Message) -> None:
    classifiers = metadata.get_all("Classifier") or []
    assert metadata["License-Expression"] == "MIT"
    assert [each for each in classifiers if each.startswith("License")] == []  # PEP 639: one or the other
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13, 14)} <= set(classifiers)
