from __future__ import annotations

from collections import Counter

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.datasets.emovo import EMOTIONS, EMOVO
from pcqtool.corpora.testing import check
from pcqtool.errors import CorpusError

SPEAKERS = ("f1", "f2", "f3", "m1", "m2", "m3")
TEXTS = ("b1", "b2", "b3", "d1", "d2", "l1", "l2", "l3", "l4", "n1", "n2", "n3", "n4", "n5")


@pytest.fixture
def root(tmp_path):
    """The whole corpus as its archive is unpacked."""
    for speaker in SPEAKERS:
        folder = tmp_path / "EMOVO" / speaker
        folder.mkdir(parents=True)
        for code in EMOTIONS:
            for text in TEXTS:
                (folder / f"{code}-{speaker}-{text}.wav").touch()
        (folder / "._dis-f1-b1.wav").touch()
    (tmp_path / "EMOVO" / "documentation.pdf").touch()
    return tmp_path


def test_the_whole_corpus(root):
    utterances = EMOVO(root).utterances()
    assert utterances[0] == Utterance(root / "EMOVO" / "f1" / "dis-f1-b1.wav", "disgust", speaker="f1", text_id="b1")
    assert Counter(each.label for each in utterances) == dict.fromkeys(EMOVO.labels, 84)
    assert Counter(each.speaker for each in utterances) == dict.fromkeys(SPEAKERS, 98)
    assert Counter(each.text_id for each in utterances) == dict.fromkeys(TEXTS, 42)
    assert check(EMOVO, root)


@pytest.mark.parametrize("name", ["dis-f4-b1.wav", "abc-f1-b1.wav", "dis-f1-b4.wav"])
def test_another_name_is_an_error(root, name):
    (root / name).touch()
    with pytest.raises(CorpusError, match=name):
        EMOVO(root).utterances()
