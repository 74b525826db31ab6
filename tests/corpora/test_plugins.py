"""What all plugins of this repository have in common; each has tests of its own beside it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pcqtool.corpora.conformance import first_class_problem
from pcqtool.corpora.registry import corpus_class, registered_corpora

PLUGINS = Path(__file__).parents[2] / "plugins"
NAMES = sorted(path.parent.name for path in PLUGINS.glob("*/pyproject.toml"))


def _project(name):
    return tomllib.loads((PLUGINS / name / "pyproject.toml").read_text("utf-8"))["project"]


CORPORA = [name for name in NAMES if "pcqtool.corpora" in _project(name)["entry-points"]]


def test_the_repository_has_a_plugin_to_copy():
    assert "example" in NAMES


def test_every_plugin_is_found_once_installed():
    found = {entry.name: (entry.distribution, entry.error) for entry in registered_corpora() if not entry.built_in}
    assert {name: found.get(name, "make setup installs it") for name in CORPORA} == {
        name: (f"pcqtool-{name}", None) for name in CORPORA
    }


@pytest.mark.parametrize("name", CORPORA)
def test_a_plugin_is_a_corpus_of_its_name(name):
    assert first_class_problem(corpus_class(name), name) is None
    assert list(_project(name)["entry-points"]["pcqtool.corpora"]) == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_is_a_distribution_with_tests(name):
    assert _project(name)["name"] == f"pcqtool-{name}"
    assert "pcqtool" in _project(name)["dependencies"]
    assert list((PLUGINS / name / "tests").glob("test_*.py"))


def test_plugins_are_in_the_table_of_their_page():
    page = (PLUGINS / "README.md").read_text("utf-8")
    assert [name for name in NAMES if f"| `{name}` |" not in page] == []
