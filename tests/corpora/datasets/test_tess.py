from __future__ import annotations

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.datasets.tess import EMOTIONS, TESS
from pcqtool.corpora.testing import check
from pcqtool.errors import CorpusError

FOLDERS = {"ps": ("OAF_Pleasant_surprise", "YAF_pleasant_surprised"), "sad": ("OAF_Sad", "YAF_sad")}


@pytest.fixture
def root(tmp_path):
    """Three words as Kaggle has them: folders spelt in several ways, a letter missing, all of it twice."""
    top = "TESS Toronto emotional speech set data"
    for place in (tmp_path / top, tmp_path / top / top):
        for emotion in EMOTIONS:
            for speaker, folder in zip("OY", FOLDERS.get(emotion, (f"OAF_{emotion}", f"YAF_{emotion}")), strict=True):
                (place / folder).mkdir(parents=True)
                for word in ("back", "bite", "youth"):
                    prefix = "OA" if (speaker, word, emotion) == ("O", "bite", "neutral") else f"{speaker}AF"
                    (place / folder / f"{prefix}_{word}_{emotion}.wav").touch()
    return tmp_path


def test_every_recording_is_listed_once(root):
    utterances = TESS(root).utterances()
    assert len(utterances) == 2 * 7 * 3
    folder = root / "TESS Toronto emotional speech set data" / "YAF_pleasant_surprised"
    assert Utterance(folder / "YAF_back_ps.wav", "surprise", speaker="YAF", text_id="back") in utterances
    assert {each.text_id for each in utterances} == {"back", "bite", "youth"}


def test_the_misnamed_recording_belongs_to_its_speaker(root):
    utterances = TESS(root).utterances()
    assert {each.speaker for each in utterances} == {"OAF", "YAF"}
    (odd,) = [each for each in utterances if each.path.name == "OA_bite_neutral.wav"]
    assert (odd.speaker, odd.label, odd.text_id) == ("OAF", "neutral", "bite")


def test_another_name_is_an_error(root):
    (root / "OAF_back_bored.wav").touch()
    with pytest.raises(CorpusError, match="OAF_back_bored"):
        TESS(root).utterances()


def test_labels(root):
    assert check(TESS, root)
    assert {each.label for each in TESS(root).utterances()} == set(TESS.labels)
