from __future__ import annotations

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.datasets.esd import ESD
from pcqtool.corpora.testing import check
from pcqtool.errors import CorpusError

FOLDERS = ("Neutral", "Angry", "Happy", "Sad", "Surprise")


def place(root, form):
    """Two speakers, each with the first and the last sentence of every emotion."""
    for speaker in ("0001", "0011"):
        for number, emotion in enumerate(FOLDERS):
            for text in (1, 350):
                path = root / form.format(speaker=speaker, emotion=emotion, number=number * 350 + text)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        (root / f"{speaker}.txt").write_bytes("0001_000351\t打远一看\t生气".encode("utf-16"))


@pytest.fixture(
    params=[
        "{speaker}/{emotion}/train/{speaker}_{number:06}.wav",
        "Emotion Speech Dataset/{speaker}/{emotion}/{speaker}_{number:06}.wav",
        "{speaker}_{number:06}.wav",
    ],
    ids=["released with parts", "released", "one folder"],
)
def root(request, tmp_path):
    place(tmp_path, request.param)
    return tmp_path


def test_the_number_tells_emotion_and_sentence(root):
    utterances = ESD(root).utterances()
    assert [(each.label, each.text_id, each.speaker) for each in utterances[:4]] == [
        ("neutral", "zh-001", "0001"),
        ("neutral", "zh-350", "0001"),
        ("anger", "zh-001", "0001"),
        ("anger", "zh-350", "0001"),
    ]
    assert {each.text_id for each in utterances} == {"zh-001", "zh-350", "en-001", "en-350"}
    assert {each.label for each in utterances} == set(ESD.labels)
    assert check(ESD, root)


def test_a_recording_in_full(tmp_path):
    place(tmp_path, "{speaker}/{emotion}/{speaker}_{number:06}.wav")
    path = tmp_path / "0011" / "Surprise" / "0011_001750.wav"
    assert ESD(tmp_path).utterances()[-1] == Utterance(path, "surprise", speaker="0011", text_id="en-350")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("0001/Happy/0001_000352.wav", "0001_000352.wav has a number of angry"),
        ("0001/Angry/0001_001751.wav", "0001_001751.wav has a number of no emotion"),
        ("0001/Angry/0001_000000.wav", "number of no emotion"),
        ("0001/Angry/0021_000352.wav", "0021_000352.wav does not have a file name of"),
    ],
)
def test_a_recording_that_lies_wrong_is_an_error(tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(CorpusError, match=text):
        ESD(tmp_path).utterances()
