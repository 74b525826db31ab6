from __future__ import annotations

import json

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.datasets.shemo import EMOTIONS, ShEMO
from pcqtool.corpora.testing import check
from pcqtool.errors import CorpusError


@pytest.fixture
def root(tmp_path):
    """Two speakers as the archives are unpacked, with transcripts and the release's own table."""
    for folder, speaker in (("female", "F21"), ("male", "M02")):
        (tmp_path / folder).mkdir()
        for code in EMOTIONS:
            (tmp_path / folder / f"{speaker}{code}05.wav").touch()
    (tmp_path / "shemo.json").write_text(json.dumps({"F21N05": {"emotion": "sad"}}))
    (tmp_path / "transcript").mkdir()
    (tmp_path / "transcript" / "F21N05.ort").touch()
    return tmp_path


def test_names_tell_speaker_and_emotion(root):
    utterances = ShEMO(root).utterances()
    assert utterances[0] == Utterance(root / "female" / "F21A05.wav", "anger", speaker="F21")
    assert [each.label for each in utterances] == [EMOTIONS[code] for code in sorted(EMOTIONS)] * 2
    assert {each.speaker for each in utterances} == {"F21", "M02"}
    assert check(ShEMO, root)


def test_f_at_the_beginning_is_a_woman_and_in_the_middle_fear(root):
    assert {each.label for each in ShEMO(root).utterances() if "F05" in each.path.name} == {"fear"}


def test_corrected_labels_hold_where_they_are_there(root):
    table = {"F21S05.wav": {"emotion": "neutral", "text_name": "F21N04"}, "M02A05.wav": {"emotion": "anger"}}
    (root / "modified_shemo.json").write_text(json.dumps(table))
    labels = {each.path.stem: each.label for each in ShEMO(root).utterances()}
    assert (labels["F21S05"], labels["M02A05"], labels["M02S05"]) == ("neutral", "anger", "sadness")


@pytest.mark.parametrize("text", ["{", "[1]", '{"F21S05.wav": {"emotion": "odd"}}', '{"F21S05.wav": {}}', '{"a": 1}'])
def test_a_damaged_table_of_corrections_is_an_error(root, text):
    (root / "modified_shemo.json").write_text(text)
    with pytest.raises(CorpusError, match=r"modified_shemo\.json: not the table"):
        ShEMO(root).utterances()


@pytest.mark.parametrize("name", ["F21X05.wav", "X21A05.wav", "F21A.wav"])
def test_another_name_is_an_error(root, name):
    (root / "female" / name).touch()
    with pytest.raises(CorpusError, match=name):
        ShEMO(root).utterances()
