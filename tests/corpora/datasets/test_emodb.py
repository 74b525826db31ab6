from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from pcqtool.corpora.base import Corpus, Utterance
from pcqtool.corpora.datasets.emodb import EmoDB
from pcqtool.errors import CorpusError

REAL = Path(os.environ.get("PCQTOOL_CORPORA", Path(__file__).parents[2].parent / "shared" / "corpora")) / "emodb"


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("inside", ["wav", "."])
def test_a_file_name_contains_everything(tmp_path, inside):
    folder = touch(tmp_path / inside, "16b10Td.wav", "03a01Fa.wav")
    assert EmoDB(tmp_path).utterances() == [
        Utterance(folder / "03a01Fa.wav", "happiness", speaker="03", text_id="a01"),
        Utterance(folder / "16b10Td.wav", "sadness", speaker="16", text_id="b10"),
    ]


def test_the_listening_test_beside_the_recordings_is_ignored(tmp_path):
    touch(tmp_path, "erkennung.txt")
    touch(tmp_path / "wav", "03a01Fa.wav", ".DS_Store", "._03a01Fa.wav")
    assert len(EmoDB(tmp_path).utterances()) == 1


@pytest.mark.parametrize("name", ["03a01Xa.wav", "07a01Fa.wav", "03a03Fa.wav", "03a01F.wav", "call.wav", "03a01Fa.txt"])
def test_a_file_with_another_name_is_an_error_that_names_it(tmp_path, name):
    touch(tmp_path / "wav", "03a01Fa.wav", name)
    with pytest.raises(CorpusError, match=name):
        EmoDB(tmp_path).utterances()


def test_no_recordings_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="no recordings"):
        EmoDB(tmp_path).utterances()
    with pytest.raises(CorpusError, match="not a folder"):
        EmoDB(tmp_path / "nowhere").utterances()


def test_it_is_a_corpus(tmp_path):
    assert isinstance(EmoDB(tmp_path), Corpus)


@pytest.mark.skipif(not REAL.is_dir(), reason="EMO-DB is not here")
def test_the_real_corpus_has_the_published_counts():
    utterances = EmoDB(REAL).utterances()
    assert Counter(utterance.label for utterance in utterances) == {
        "anger": 127,
        "boredom": 81,
        "disgust": 46,
        "fear": 69,
        "happiness": 71,
        "neutral": 79,
        "sadness": 62,
    }
    speakers = Counter(utterance.speaker for utterance in utterances)
    assert sorted(speakers) == ["03", "08", "09", "10", "11", "12", "13", "14", "15", "16"]
    assert len({utterance.text_id for utterance in utterances}) == 10
    assert len(utterances) == 535
