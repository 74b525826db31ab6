from __future__ import annotations

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.datasets.ravdess import EMOTIONS, RAVDESS
from pcqtool.corpora.testing import check
from pcqtool.errors import CorpusError


def place(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def root(tmp_path):
    """Two actors as unpacked from the archives: speech, songs, video, and hidden files of macOS."""
    for actor in ("01", "24"):
        speech = f"Audio_Speech_Actors_01-24/Actor_{actor}"
        place(
            tmp_path, *(f"{speech}/03-01-{code}-01-{text}-02-{actor}.wav" for code in EMOTIONS for text in ("01", "02"))
        )
        place(tmp_path, f"{speech}/03-01-05-02-01-01-{actor}.wav", f"{speech}/.DS_Store", f"{speech}/._03-01-05.wav")
        place(tmp_path, f"Audio_Song_Actors_01-24/Actor_{actor}/03-02-06-01-02-01-{actor}.wav")
        place(tmp_path, f"Video_Speech_Actor_{actor}/Actor_{actor}/01-01-05-02-01-01-{actor}.mp4")
    return tmp_path


def test_speech_is_listed_and_songs_and_video_are_not(root):
    utterances = RAVDESS(root).utterances()
    assert len(utterances) == 2 * (8 * 2 + 1)
    first = root / "Audio_Speech_Actors_01-24" / "Actor_01" / "03-01-01-01-01-02-01.wav"
    assert utterances[0] == Utterance(first, "neutral", speaker="01", text_id="01")
    assert {each.speaker for each in utterances} == {"01", "24"}
    assert {each.text_id for each in utterances} == {"01", "02"}


@pytest.mark.parametrize(("code", "label"), [("02", "calm"), ("05", "anger"), ("08", "surprise")])
def test_the_third_number_is_the_emotion(root, code, label):
    assert {each.label for each in RAVDESS(root).utterances() if each.path.name[6:8] == code} == {label}


def test_the_second_copy_in_the_archive_of_kaggle_counts_once(root):
    copy = "audio_speech_actors_01-24/Actor_01/03-01-05-02-01-01-01.wav"
    place(root, copy, "Actor_01/03-01-05-02-01-01-01.wav")
    assert len(RAVDESS(root).utterances()) == 34


def test_copies_sorted_by_emotion_count_once(root):
    place(root, "resources/labelled_audio/angry/03-01-05-02-01-01-01.wav")
    paths = [each.path.relative_to(root).parts[0] for each in RAVDESS(root).utterances()]
    assert paths == ["Audio_Speech_Actors_01-24"] * 34


@pytest.mark.parametrize("name", ["03-01-09-01-01-01-01.wav", "03-01-05-01-01-01-25.wav", "03-01-05-01-01-01.wav"])
def test_another_name_is_an_error(root, name):
    place(root, f"Actor_01/{name}")
    with pytest.raises(CorpusError, match=name):
        RAVDESS(root).utterances()


def test_labels(root):
    assert check(RAVDESS, root)
    assert {each.label for each in RAVDESS(root).utterances()} == set(RAVDESS.labels)
