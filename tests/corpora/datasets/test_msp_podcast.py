from __future__ import annotations

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.datasets.msp_podcast import MSPPodcast
from pcqtool.corpora.testing import check
from pcqtool.errors import CorpusError

LINES = """\
FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
MSP-PODCAST_0002_0040.wav,C,5.6,2.2,5.4,Unknown,Male,Train
MSP-PODCAST_0001_0008.wav,N,2.2,4.0,2.6,30,Male,Test1
MSP-PODCAST_0001_0009.wav,X,3.8,3.5,3.8,39,Male,Test1
MSP-PODCAST_0001_0011.wav,O,4.1,4.7,4.0,39,Male,Test2
MSP-PODCAST_0002_0041_0002.wav,U,5.6,4.2,5.4,127,Female,Development
MSP-PODCAST_1909_1017.wav,S,3.0,2.0,3.0,127,Female,Train
MSP-PODCAST_test3_0001.wav,,,,,,,Test3
"""


def release(root, table="Labels/labels_consensus.csv", audio="Audios"):
    (root / audio).mkdir(parents=True)
    (root / table).parent.mkdir(parents=True, exist_ok=True)
    (root / table).write_text(LINES)
    for line in LINES.splitlines()[1:]:
        if "_1909_" not in line:
            (root / audio / line.split(",")[0]).touch()
    (root / audio / "._MSP-PODCAST_0001_0008.wav").touch()
    return root


@pytest.fixture(
    params=[
        ("Labels/labels_consensus.csv", "Audios"),
        ("Labels/labels_concensus.csv", "Audios"),
        ("labels_consensus.csv", "Audio"),
        ("MSP-PODCAST-Publish-1.11/Labels/labels_consensus.csv", "MSP-PODCAST-Publish-1.11/Audios"),
    ],
    ids=["1.9 and later", "1.8 and before", "bare", "a folder above"],
)
def root(request, tmp_path):
    return release(tmp_path, *request.param)


def test_labelled_turns_are_listed_in_every_layout(root):
    utterances = MSPPodcast(root).utterances()
    assert [(each.path.name, each.label, each.speaker, each.session) for each in utterances] == [
        ("MSP-PODCAST_0001_0008.wav", "neutral", "30", "0001"),
        ("MSP-PODCAST_0002_0040.wav", "contempt", None, "0002"),
        ("MSP-PODCAST_0002_0041_0002.wav", "surprise", "127", "0002"),
    ]
    assert all(each.path.is_file() for each in utterances)
    assert check(MSPPodcast, root)


def test_a_turn_in_full(tmp_path):
    path = release(tmp_path) / "Audios" / "MSP-PODCAST_0001_0008.wav"
    assert MSPPodcast(tmp_path).utterances()[0] == Utterance(path, "neutral", speaker="30", session="0001")


def test_the_turn_that_a_release_lacks_is_listed_where_it_is_there(tmp_path):
    release(tmp_path)
    (tmp_path / "Audios" / "MSP-PODCAST_1909_1017.wav").touch()
    assert MSPPodcast(tmp_path).utterances()[-1].label == "sadness"


def test_missing_turns_are_counted_and_the_first_is_named(tmp_path):
    release(tmp_path)
    (tmp_path / "Audios" / "MSP-PODCAST_0002_0040.wav").unlink()
    (tmp_path / "Audios" / "MSP-PODCAST_0001_0009.wav").unlink()  # is left out anyway
    with pytest.raises(CorpusError, match=r"1 of 3 labelled recordings .* first .*_0002_0040\.wav"):
        MSPPodcast(tmp_path).utterances()


@pytest.mark.parametrize("line", ["MSP-PODCAST_0003_0001.wav,Q,1,1,1,1,Male,Train", "other.wav,N,1,1,1,1,Male,Train"])
def test_a_line_that_cannot_be_read_is_named(tmp_path, line):
    with (release(tmp_path) / "Labels" / "labels_consensus.csv").open("a") as file:
        file.write(line)
    with pytest.raises(CorpusError, match=r"labels_consensus\.csv, line 9: not a line of MSP-Podcast"):
        MSPPodcast(tmp_path).utterances()


def test_two_releases_in_one_folder_are_an_error(tmp_path):
    release(tmp_path / "1.10")
    release(tmp_path / "1.11")
    with pytest.raises(CorpusError, match="2 tables of labels"):
        MSPPodcast(tmp_path).utterances()


def test_labels_without_recordings_are_an_error(tmp_path):
    (tmp_path / "labels_consensus.csv").write_text(LINES)
    with pytest.raises(CorpusError, match="no folder Audios"):
        MSPPodcast(tmp_path).utterances()
