from __future__ import annotations

import csv

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.datasets.meld import MELD
from pcqtool.corpora.testing import check
from pcqtool.errors import CorpusError

HEADING = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
FOLDERS = {"train": "train/train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
TABLES = {"train": "train/train_sent_emo.csv", "dev": "dev_sent_emo.csv", "test": "test_sent_emo.csv"}
LINES = {
    "train": [
        (0, 0, "also I was the point person, on my company’s transition", "Chandler", "neutral"),
        (0, 1, "Yeah!", "The Interviewer", "joy"),
        (71, 0, "What?", "Ross", "neutral"),
        (125, 3, "No.", "Ross", "neutral"),
        (2, 0, "Oh.", "Joey", "anger"),
        (10, 0, "…", "Joey", "disgust"),
    ],
    "dev": [(0, 0, "Oh my God, he’s lost it.", "Phoebe", "sadness"), (110, 7, "Well.", "Ross", "neutral")],
    "test": [(0, 0, "Yeah.", "Mark", "surprise"), (93, 6, "Hey", "Rachel", "fear")],
}


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.fixture
def root(tmp_path):
    """Some of each part as the archives are unpacked, with the clips that are cut off, broken, missing, made anew."""
    for split, lines in LINES.items():
        table = tmp_path / TABLES[split]
        table.parent.mkdir(exist_ok=True)
        with table.open("w", encoding="utf-8", newline="") as file:
            file.write(HEADING + "\r\n")
            rows = [(0, text, who, label, "-", dia, utt, 8, 21, "0", "1") for dia, utt, text, who, label in lines]
            csv.writer(file).writerows(rows)
        for dialogue, utterance, *_ in lines:
            if (split, dialogue) != ("dev", 110):
                touch(tmp_path / FOLDERS[split] / f"dia{dialogue}_utt{utterance}.mp4")
                touch(tmp_path / FOLDERS[split] / f"._dia{dialogue}_utt{utterance}.mp4")
    touch(tmp_path / FOLDERS["test"] / "final_videos_testdia93_utt6.mp4")
    touch(tmp_path / FOLDERS["test"] / "dia99_utt9.mp4")  # in no table
    return tmp_path


def test_utterances_by_part_dialogue_and_position(root):
    utterances = MELD(root).utterances()
    assert [each.path.relative_to(root).as_posix() for each in utterances] == [
        "train/train_splits/dia0_utt0.mp4",
        "train/train_splits/dia0_utt1.mp4",
        "train/train_splits/dia2_utt0.mp4",
        "train/train_splits/dia10_utt0.mp4",
        "dev_splits_complete/dia0_utt0.mp4",
        "output_repeated_splits_test/dia0_utt0.mp4",
        "output_repeated_splits_test/final_videos_testdia93_utt6.mp4",
    ]
    assert [each.label for each in utterances[:2]] == ["neutral", "happiness"]
    assert {each.label for each in utterances} == set(MELD.labels)
    assert check(MELD, root)


def test_an_utterance_in_full(root):
    path = root / "train" / "train_splits" / "dia0_utt1.mp4"
    assert MELD(root).utterances()[1] == Utterance(path, "happiness", "The Interviewer", "s08e21", "yeah")


def test_the_same_words_are_one_text_and_no_words_none(root):
    texts = [each.text_id for each in MELD(root).utterances()]
    assert texts[0] == "also i was the point person on my company s transition"
    assert texts[1] == texts[5] == "yeah"
    assert texts[3] is None


def test_sound_that_was_extracted_is_read_before_the_clip(root):
    touch(root / "wav" / "train" / "dia2_utt0.wav")
    assert MELD(root).utterances()[2].path == root / "wav" / "train" / "dia2_utt0.wav"


def test_missing_clips_are_counted_and_the_first_is_named(root):
    (root / FOLDERS["train"] / "dia2_utt0.mp4").unlink()
    (root / FOLDERS["train"] / "dia125_utt3.mp4").unlink()  # is left out anyway
    with pytest.raises(CorpusError, match=r"1 of 7 clips are missing .* first train: dia2_utt0\.mp4"):
        MELD(root).utterances()


def test_a_missing_table_is_named(root):
    (root / "dev_sent_emo.csv").unlink()
    with pytest.raises(CorpusError, match=r"no dev_sent_emo\.csv"):
        MELD(root).utterances()


@pytest.mark.parametrize("line", ["1,Hi,Ross,odd,-,3,0,1,1,0,1", "1,Hi,Ross,joy,-,x,0,1,1,0,1", "1,Hi"])
def test_a_line_that_cannot_be_read_is_named(root, line):
    with (root / "dev_sent_emo.csv").open("a") as file:
        file.write(line)
    with pytest.raises(CorpusError, match=r"dev_sent_emo\.csv, line 4: not a line of MELD"):
        MELD(root).utterances()
