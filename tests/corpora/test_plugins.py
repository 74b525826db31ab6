"""What all plugins of this repository have in common; each has tests of its own beside it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pcqtool.corpora.conformance import fault
from pcqtool.corpora.registry import available, find
from pcqtool.corpora.release import expected_of
from pcqtool.errors import CorpusError

PLUGINS = Path(__file__).parents[2] / "plugins"
NAMES = sorted(path.parent.name for path in PLUGINS.glob("*/pyproject.toml"))


def test_every_corpus_that_is_promised_has_a_plugin():
    promised = "audformat crema-d emovo esd meld msp-podcast ravdess savee shemo tess urdu"
    assert promised.split() == NAMES


def test_every_plugin_is_found_once_installed():
    found = {entry.name: (entry.distribution, entry.error) for entry in available() if not entry.built_in}
    assert {name: found.get(name, "make setup installs it") for name in NAMES} == {
        name: (f"pcqtool-{name}", None) for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_is_a_corpus_of_its_name(name):
    corpus = find(name)
    assert fault(corpus, name) is None
    assert corpus.url is not None
    assert corpus.url.startswith("http")


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_how_many_utterances_a_whole_copy_has(name):
    line = re.search(rf"^\| `{name}` \|.*", (PLUGINS / "README.md").read_text("utf-8"), re.MULTILINE)
    number = line[0].split("|")[5].replace(" ", "")
    assert number in ("", "byrelease") or int(number) == expected_of(find(name)).total


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_folder_is_an_error_with_a_hint(name, tmp_path):
    with pytest.raises(CorpusError) as caught:
        find(name)(tmp_path).utterances()
    assert str(tmp_path) in caught.value.what
    assert caught.value.hint


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_is_a_distribution_that_pulls_in_nothing_but_what_it_needs(name):
    project = tomllib.loads((PLUGINS / name / "pyproject.toml").read_text())["project"]
    assert project["name"] == f"pcqtool-{name}"
    assert project["dependencies"][0] == "pcqtool"
    assert list(project["entry-points"]["pcqtool.corpora"]) == [name]
    assert list((PLUGINS / name / "tests").glob("test_*.py"))


def test_plugins_are_in_the_table_of_their_page():
    page = (PLUGINS / "README.md").read_text("utf-8")
    assert [name for name in NAMES if f"| `{name}` |" not in page] == []


def test_listing_them_imports_nothing_heavy():
    code = (
        "import json, sys; from pcqtool.corpora.registry import available; available(); "
        "print(json.dumps([m for m in ('torch', 'numpy', 'polars', 'pandas', 'yaml') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
