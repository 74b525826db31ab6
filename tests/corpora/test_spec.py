from __future__ import annotations

from pathlib import Path

import pytest

from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.corpora.spec import CorpusSpec, parse_specs
from pcqtool.errors import CorpusError, SettingsError


def test_one_corpus_has_one_folder():
    assert parse_specs(["emodb"]) == [CorpusSpec("emodb", "emodb", None)]
    assert parse_specs(["emodb"], ["here/a=b"]) == [CorpusSpec("emodb", "emodb", Path("here/a=b"))]
    assert parse_specs(["emodb"], ["emodb=here"]) == [CorpusSpec("emodb", "emodb", Path("here"))]


def test_several_have_theirs_by_name():
    found = parse_specs(["emodb", "calls=manifest", "manifest"], ["calls=a/b=c", "emodb=x"])
    assert found == [
        CorpusSpec("emodb", "emodb", Path("x")),
        CorpusSpec("calls", "manifest", Path("a/b=c")),
        CorpusSpec("manifest", "manifest", None),
    ]


@pytest.mark.parametrize(
    ("corpora", "roots", "text", "hint"),
    [
        (["a", "b"], ["here"], "--root here: for which corpus", "the names are a, b"),
        (["a", "b"], ["c=here"], "--root c=here: for which corpus", "--root NAME=DIR"),
        (["a"], ["here", "there"], "--root is given twice for a", ""),
        (["a", "b"], ["a=x", "a=y"], "--root is given twice for a", ""),
        (["manifest", "manifest"], [], "corpus 'manifest' is given twice", "--corpus other=manifest --root other=DIR"),
        (["x=a", "x=b"], [], "corpus 'x' is given twice", ""),
        (["=a"], [], "'' is not a valid name for a corpus", ""),
        (["a:b=a"], [], "'a:b' is not a valid name for a corpus", ""),
    ],
)
def test_an_ambiguous_choice_is_an_error(corpora, roots, text, hint):
    with pytest.raises(SettingsError) as caught:
        parse_specs(corpora, roots)
    assert text in caught.value.what
    assert hint in caught.value.hint


def test_a_renamed_corpus_is_in_the_folder_of_its_new_name(tmp_path, monkeypatch):
    (tmp_path / "calls").mkdir()
    monkeypatch.delenv("PCQTOOL_CORPORA", raising=False)
    with pytest.raises(CorpusError, match="corpus 'calls': no folder given") as caught:
        CorpusSpec("calls", "manifest").open()
    assert "--root calls=PATH" in caught.value.hint
    monkeypatch.setenv("PCQTOOL_CORPORA", str(tmp_path))
    opened = CorpusSpec("calls", "manifest").open()
    assert isinstance(opened, Manifest)
    assert opened.root == tmp_path / "calls"
    with pytest.raises(CorpusError, match="others does not exist"):
        CorpusSpec("others", "manifest").open()
