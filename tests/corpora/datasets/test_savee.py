from __future__ import annotations

from collections import Counter

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.datasets.savee import EMOTIONS, SAVEE
from pcqtool.corpora.testing import check
from pcqtool.errors import CorpusError

NAMES = [f"{code}{number:02}" for code in EMOTIONS for number in range(1, 31 if code == "n" else 16)]


def place(root, form):
    for speaker in ("DC", "JE", "JK", "KL"):
        for name in NAMES:
            path = root / form.format(speaker, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


@pytest.fixture(params=["AudioData/{}/{}.wav", "ALL/{}_{}.wav"], ids=["released", "one folder"])
def root(request, tmp_path):
    """The whole corpus, in the two layouts it goes round in."""
    place(tmp_path, request.param)
    (tmp_path / "Info.txt").touch()
    return tmp_path


def test_the_whole_corpus_in_both_layouts(root):
    utterances = SAVEE(root).utterances()
    assert len(utterances) == 480
    assert Counter(each.speaker for each in utterances) == dict.fromkeys(("DC", "JE", "JK", "KL"), 120)
    assert Counter(each.label for each in utterances) == {
        label: 120 if label == "neutral" else 60 for label in SAVEE.labels
    }
    assert check(SAVEE, root)


def test_a_recording_in_full(tmp_path):
    place(tmp_path, "AudioData/{}/{}.wav")
    utterances = SAVEE(tmp_path).utterances()
    path = tmp_path / "AudioData" / "DC" / "sa07.wav"
    assert [each for each in utterances if each.path == path] == [Utterance(path, "sadness", "DC", text_id="sa07")]


def test_what_is_said_is_one_text_in_whatever_emotion(root):
    """Three sentences are common to all, two of each emotion are also spoken neutrally, the others are in one only."""
    utterances = SAVEE(root).utterances()
    labels = {}
    for each in utterances:
        labels.setdefault(each.text_id, []).append(each.label)
    assert len(labels) == 3 + 7 * 12
    assert {text for text in labels if set(labels[text]) == set(SAVEE.labels)} == {"common01", "common02", "common03"}
    assert {text: set(labels[text]) for text in ("a04", "sa05", "h05", "a06", "n15")} == {
        "a04": {"anger", "neutral"},
        "sa05": {"sadness", "neutral"},
        "h05": {"happiness", "neutral"},
        "a06": {"anger"},
        "n15": {"neutral"},
    }
    assert sum(len(set(each)) == 2 for each in labels.values()) == 12


def test_another_name_is_an_error(root):
    (root / "DC_x01.wav").touch()
    with pytest.raises(CorpusError, match="DC_x01"):
        SAVEE(root).utterances()
