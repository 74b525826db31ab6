from __future__ import annotations

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.datasets.crema_d import CREMAD, EMOTIONS
from pcqtool.corpora.testing import check
from pcqtool.errors import CorpusError


@pytest.fixture
def root(tmp_path):
    """Some of the clone: the same recordings as WAV, MP3 and video; the silent one; the one named otherwise."""
    names = [f"{actor}_IEO_{code}_MD" for actor in (1001, 1091) for code in EMOTIONS]
    for name in (*names, "1040_ITH_SAD_X", "1076_MTI_SAD_XX", "1076_MTI_NEU_XX"):
        for folder, suffix in (("AudioWAV", "wav"), ("AudioMP3", "mp3"), ("VideoFlash", "flv")):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{name}.{suffix}").write_bytes(b"RIFF")
    (tmp_path / "SentenceFilenames.csv").touch()
    return tmp_path


def test_every_recording_is_listed_once_but_the_silent_one(root):
    utterances = CREMAD(root).utterances()
    assert len(utterances) == 2 * 6 + 2
    first = root / "AudioWAV" / "1001_IEO_ANG_MD.wav"
    assert utterances[0] == Utterance(first, "anger", speaker="1001", text_id="IEO")
    assert [each.path.stem for each in utterances if each.speaker == "1076"] == ["1076_MTI_NEU_XX"]


def test_the_recording_with_one_letter_less_is_read(root):
    (odd,) = [each for each in CREMAD(root).utterances() if each.speaker == "1040"]
    assert (odd.label, odd.text_id) == ("sadness", "ITH")


def test_the_folder_of_recordings_alone_will_do(root):
    assert len(CREMAD(root / "AudioWAV").utterances()) == 14


def test_a_clone_without_lfs_is_an_error_that_says_what_to_run(root):
    (root / "AudioWAV" / "1001_IEO_ANG_MD.wav").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(CorpusError, match="pointer of Git LFS") as caught:
        CREMAD(root).utterances()
    assert "git lfs pull" in caught.value.hint


def test_another_name_is_an_error(root):
    (root / "AudioWAV" / "1001_ABC_ANG_MD.wav").touch()
    with pytest.raises(CorpusError, match="1001_ABC_ANG_MD"):
        CREMAD(root).utterances()


def test_labels(root):
    assert check(CREMAD, root)
    assert {each.label for each in CREMAD(root).utterances()} == set(CREMAD.labels)
