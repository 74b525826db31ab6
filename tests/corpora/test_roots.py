from __future__ import annotations

import pytest

from pcqtool.corpora.datasets.emodb import EmoDB
from pcqtool.corpora.datasets.iemocap import IEMOCAP
from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.corpora.roots import find_root, is_present, root_to_create
from pcqtool.errors import CorpusError


def test_an_explicit_root_comes_before_the_environment(tmp_path, monkeypatch):
    (tmp_path / "emodb").mkdir()
    monkeypatch.setenv("PCQTOOL_CORPORA", str(tmp_path))
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert find_root(EmoDB, other) == other
    assert find_root(EmoDB) == tmp_path / "emodb"


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "emodb").mkdir()
    assert find_root(EmoDB, "~/emodb") == tmp_path / "emodb"
    monkeypatch.setenv("PCQTOOL_CORPORA", "~")
    assert find_root(EmoDB) == tmp_path / "emodb"


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_root_the_error_explains_how_to_get_and_pass_it(monkeypatch, value):
    monkeypatch.delenv("PCQTOOL_CORPORA", raising=False)
    if value is not None:
        monkeypatch.setenv("PCQTOOL_CORPORA", value)
    with pytest.raises(CorpusError, match="'iemocap': no folder given") as caught:
        find_root(IEMOCAP)
    for part in (IEMOCAP.url, "signing the release form", "--root", "PCQTOOL_CORPORA", "contains iemocap/"):
        assert part in caught.value.hint


def test_a_missing_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PCQTOOL_CORPORA", str(tmp_path))
    with pytest.raises(CorpusError) as caught:
        find_root(EmoDB)
    assert str(tmp_path / "emodb") in caught.value.what
    with pytest.raises(CorpusError, match="nowhere does not exist"):
        find_root(EmoDB, tmp_path / "nowhere")


def test_a_corpus_without_a_source_only_asks_for_its_folder(monkeypatch):
    monkeypatch.delenv("PCQTOOL_CORPORA", raising=False)
    with pytest.raises(CorpusError) as caught:
        find_root(Manifest)
    assert caught.value.hint.startswith("Pass --root PATH")


def test_a_public_corpus_hints_at_the_command_to_run(monkeypatch, tmp_path):
    monkeypatch.delenv("PCQTOOL_CORPORA", raising=False)
    with pytest.raises(CorpusError) as caught:
        find_root(EmoDB)
    assert caught.value.hint.startswith(
        "Run 'export PCQTOOL_CORPORA=~/corpora' and 'pcqtool corpora fetch emodb' (Free"
    )
    monkeypatch.setenv("PCQTOOL_CORPORA", str(tmp_path))
    with pytest.raises(CorpusError) as caught:
        find_root(EmoDB)
    assert caught.value.hint.startswith("Run 'pcqtool corpora fetch emodb' (Free")
    with pytest.raises(CorpusError) as caught:
        find_root(EmoDB, tmp_path / "my corpora")
    assert f"'pcqtool corpora fetch emodb --root '{tmp_path}/my corpora''" in caught.value.hint


def test_the_root_to_create_and_whether_it_is_present(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert root_to_create(EmoDB, "there") == tmp_path / "there"
    monkeypatch.delenv("PCQTOOL_CORPORA", raising=False)
    assert not is_present(EmoDB)
    with pytest.raises(CorpusError, match="no folder given"):
        root_to_create(EmoDB)
    monkeypatch.setenv("PCQTOOL_CORPORA", str(tmp_path))
    assert root_to_create(EmoDB) == tmp_path / "emodb"
    assert not is_present(EmoDB)
    (tmp_path / "emodb").mkdir()
    assert is_present(EmoDB)
