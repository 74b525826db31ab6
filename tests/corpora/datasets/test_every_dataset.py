"""What all built-in corpora have in common; each has tests of its own beside this file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pcqtool.corpora.conformance import first_class_problem
from pcqtool.corpora.registry import corpus_class, registered_corpora
from pcqtool.corpora.release import commercial_use_of, expected_of
from pcqtool.errors import CorpusError

ROOT = Path(__file__).parents[3]
DATASETS = ROOT / "pcqtool" / "corpora" / "datasets"
POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["pcqtool.corpora"]
NAMES = [name for name in POINTS if name != "manifest"]
PAGE = ROOT / "docs" / "corpora.md"


def test_every_module_is_registered_under_its_own_name_and_has_tests():
    modules = sorted(path.stem for path in DATASETS.glob("[a-z]*.py"))
    assert sorted(name.replace("-", "_") for name in NAMES) == modules
    assert [module for module in modules if not Path(__file__).with_name(f"test_{module}.py").is_file()] == []


def test_every_corpus_of_the_project_is_installed_with_it():
    found = {entry.name: entry.error for entry in registered_corpora() if entry.built_in}
    assert found == dict.fromkeys(POINTS)


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_to_the_contract_and_names_its_source(name):
    corpus = corpus_class(name)
    assert first_class_problem(corpus, name) is None
    assert corpus.url is not None
    assert corpus.url.startswith("http")


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_how_many_utterances_a_whole_copy_has(name):
    line = re.search(rf"^\| `{name}` \|.*", PAGE.read_text("utf-8"), re.MULTILINE)
    number = line[0].split("|")[5].replace(" ", "")
    assert number in ("", "byrelease") or int(number) == expected_of(corpus_class(name)).total


def test_commercial_use_is_stated_as_the_licences_do():
    allowed = {name: commercial_use_of(corpus_class(name)) for name in POINTS}
    assert {name for name, use in allowed.items() if use is None} == {"audformat", "manifest", "meld"}
    assert {name for name, use in allowed.items() if use} == {"crema-d", "emodb"}
    restricted = re.compile(r"CC BY-NC|research|academic")
    assert {name for name in POINTS if restricted.search(corpus_class(name).licence)} == {
        name for name, use in allowed.items() if use is False
    }


def test_the_page_has_every_corpus_in_its_table():
    assert re.findall(r"^\| `([\w-]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE) == sorted(POINTS)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_folder_is_an_error_with_a_hint(name, tmp_path):
    with pytest.raises(CorpusError) as caught:
        corpus_class(name)(tmp_path).utterances()
    assert str(tmp_path) in caught.value.what
    assert caught.value.hint


def test_listing_them_imports_nothing_heavy():
    code = (
        "import json, sys; from pcqtool.corpora.registry import registered_corpora; registered_corpora(); "
        "print(json.dumps([m for m in ('torch', 'numpy', 'polars', 'pandas', 'yaml') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
