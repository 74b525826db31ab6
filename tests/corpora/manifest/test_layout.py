from __future__ import annotations

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.manifest.corpus import Manifest
from pcqtool.errors import CorpusError


@pytest.fixture
def plant(tmp_path):
    """Make empty files; those that end in ``.csv`` list the recording ``x.wav`` as sad."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("file_name,label\nx.wav,sad\n" if path.suffix == ".csv" else "")
        return tmp_path

    return make


def listed(root):
    return [(each.path.relative_to(root).as_posix(), each.label, each.speaker) for each in Manifest(root).utterances()]


def test_a_folder_for_each_label(plant):
    root = plant("Angry/b.wav", "Angry/a.FLAC", "joy/c.mp3", "joy/notes.txt", ".git/d.wav", "joy/._c.mp3", "README.md")
    assert listed(root) == [
        ("Angry/a.FLAC", "anger", None),
        ("Angry/b.wav", "anger", None),
        ("joy/c.mp3", "happiness", None),
    ]
    assert Manifest(root).utterances()[0] == Utterance(root / "Angry" / "a.FLAC", "anger")


def test_a_folder_inside_a_labels_is_a_speaker(plant):
    root = plant("anger/anna/1.wav", "anger/anna/monday/2.wav", "anger/bert/1.wav", "sadness/anna/.old/1.wav")
    assert listed(root) == [
        ("anger/anna/1.wav", "anger", "anna"),
        ("anger/anna/monday/2.wav", "anger", "anna"),
        ("anger/bert/1.wav", "anger", "bert"),
    ]


def test_splits_are_read_together_each_in_its_layout(plant):
    root = plant("train/metadata.csv", "train/x.wav", "test/calm/1.wav", "test/fear/anna/1.wav", "docs/picture.png")
    assert listed(root) == [
        ("test/calm/1.wav", "calm", None),
        ("test/fear/anna/1.wav", "fear", "anna"),
        ("train/x.wav", "sadness", None),
    ]


def test_a_table_takes_precedence_over_splits_and_label_folders(plant):
    root = plant("metadata.csv", "x.wav", "train/anger/1.wav", "fear/1.wav")
    assert listed(root) == [("x.wav", "sadness", None)]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("hungry/1.wav", "anger/1.wav"), r"hungry/1\.wav: unknown emotion 'hungry'\n"),
        (("hungry/1.wav", "hungry/2.wav"), r"hungry/1\.wav: unknown emotion 'hungry' \(2 faults in all\)"),
        (
            ("anger/1.wav", "2.wav"),
            r"no metadata\.csv .* 1 recordings are not in a label's folder, first 2\.wav",
        ),
        (("train/1.wav",), r"train: no metadata\.csv .* 1 recordings are not in a label's"),
        (("docs/a.txt",), r"no metadata\.csv or metadata\.jsonl in this folder, and no folder of recordings"),
        (("train/metadata.csv", "train/metadata.tsv"), "2 manifests in this folder"),
        (("train/metadata.csv", "test/metadata.csv", "train/x.wav"), r"test/metadata\.csv, line 2: no such file"),
    ],
)
def test_an_unreadable_layout_is_an_error(plant, names, text):
    with pytest.raises(CorpusError, match=text):
        Manifest(plant(*names)).utterances()


def test_a_recording_in_two_splits_is_an_error(plant):
    root = plant("train/metadata.csv", "train/x.wav", "test/metadata.csv")
    (root / "test" / "metadata.csv").write_text("file_name,label\n../train/x.wav,sad\n")
    with pytest.raises(CorpusError, match=r"train/metadata\.csv, line 2: the same excerpt as in .*test/m"):
        Manifest(root).utterances()
