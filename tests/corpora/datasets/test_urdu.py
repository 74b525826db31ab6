from __future__ import annotations

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.datasets.urdu import URDU
from pcqtool.corpora.testing import check
from pcqtool.errors import CorpusError

NAMES = (
    "Angry/SM1_F1_A01.wav",
    "Angry/SM1_F10_A010.wav",
    "Angry/SM4_F48_A0100.wav",
    "Happy/SF10_F1_H01.wav",
    "Neutral/SM5_F72_N0100.wav",
    "Sad/SM25_F23_S073.wav",
)


@pytest.fixture
def root(tmp_path):
    """Some of the repository, the numbers written in all the ways that occur."""
    for name in (*NAMES, "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_names_tell_speaker_and_emotion(root):
    utterances = URDU(root).utterances()
    assert len(utterances) == len(NAMES)
    assert Utterance(root / "Angry" / "SM1_F1_A01.wav", "anger", speaker="SM1") in utterances
    assert {each.speaker for each in utterances} == {"SM1", "SM4", "SF10", "SM5", "SM25"}
    assert {each.label for each in utterances} == set(URDU.labels)
    assert check(URDU, root)


@pytest.mark.parametrize("name", ["SM1_F1_X01.wav", "SX1_F1_A01.wav", "SM1_A01.wav"])
def test_another_name_is_an_error(root, name):
    (root / "Angry" / name).touch()
    with pytest.raises(CorpusError, match=name):
        URDU(root).utterances()
