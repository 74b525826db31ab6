from __future__ import annotations

import re

import pytest

from pcqtool.corpora.base import Utterance
from pcqtool.corpora.faults import FaultsError
from pcqtool.corpora.files import find_files, require_recordings, utterances_from_names
from pcqtool.errors import CorpusError

NAME = r"(?P<speaker>[ab])_(?P<number>\d)"


def find(root):
    def make(path, part):
        if part["number"] == "9":
            raise CorpusError("has no number nine")
        return (
            Utterance(path, "anger", speaker=part["speaker"], text_id=part["number"]) if part["number"] > "0" else None
        )

    return utterances_from_names("Corpus", root, NAME, "a_1.wav: speaker, number", make)


def place(root, *names, content=""):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_recordings_are_found_at_any_depth_in_the_order_of_their_names(tmp_path):
    place(tmp_path, "z/a_1.wav", "y/x/b_1.WAV", "A_2.wav", "readme.txt")
    found = find(tmp_path)
    assert [each.path.relative_to(tmp_path).as_posix() for each in found] == ["z/a_1.wav", "A_2.wav", "y/x/b_1.WAV"]
    assert [(each.speaker, each.text_id) for each in found] == [("a", "1"), ("A", "2"), ("b", "1")]


def test_hidden_files_are_skipped(tmp_path):
    place(tmp_path, "._a_1.wav", "__MACOSX/a_2.wav", ".cache/a_3.wav", "a_4.wav", ".DS_Store")
    assert find_files(tmp_path, ".wav") == [tmp_path / "a_4.wav"]


def test_files_below_a_hidden_parent_of_the_root_are_found(tmp_path):
    root = tmp_path / ".data" / "corpus"
    place(root, "a_1.wav")
    assert len(find(root)) == 1


def test_a_folder_within_a_folder_of_the_same_counts_once(tmp_path):
    place(tmp_path, "corpus/a_1.wav", "corpus/corpus/a_1.wav", "corpus/corpus/b_1.wav", content="same")
    assert [each.path.relative_to(tmp_path).as_posix() for each in find(tmp_path)] == [
        "corpus/a_1.wav",
        "corpus/corpus/b_1.wav",
    ]


def test_two_recordings_of_one_name_are_an_error(tmp_path):
    place(tmp_path, "original/a_1.wav", content="48 kHz")
    place(tmp_path, "smaller/a_1.wav", content="16")
    with pytest.raises(CorpusError, match=r"smaller/a_1\.wav has the same name as .*original/a_1\.wav, but differs"):
        find(tmp_path)


def test_another_name_is_an_error(tmp_path):
    place(tmp_path, "a_1.wav", "c_1.wav")
    with pytest.raises(CorpusError, match=r"Corpus: .*c_1\.wav does not have a file name of .*\(a_1\.wav: speaker"):
        find(tmp_path)


@pytest.mark.parametrize(("name", "hint"), [("x/corpus.zip", "Unpack .*corpus.zip"), ("notes.txt", "unpacked archive")])
def test_no_recordings_are_an_error_that_says_what_to_do(tmp_path, name, hint):
    place(tmp_path, name)
    with pytest.raises(CorpusError, match="no recordings") as caught:
        find(tmp_path)
    assert re.search(hint, caught.value.hint)


def test_no_folder_at_all_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="no recordings"):
        find(tmp_path / "nowhere")


def test_all_faults_are_reported_at_once_and_valid_files_are_listed(tmp_path):
    place(tmp_path, "a_0.wav", "a_1.wav", "a_9.wav", "c_1.wav", "d_1.wav")
    place(tmp_path, "z/a_1.wav", content="another")
    with pytest.raises(FaultsError, match="4 faults in all") as caught:
        find(tmp_path)
    assert [(fault.kind, fault.path.relative_to(tmp_path).as_posix()) for fault in caught.value.faults] == [
        ("mislabelled", "a_9.wav"),
        ("extra", "c_1.wav"),
        ("extra", "d_1.wav"),
        ("duplicated", "z/a_1.wav"),
    ]
    assert [each.path.name for each in caught.value.found] == ["a_1.wav"]


def test_all_missing_recordings_of_a_table_are_reported(tmp_path):
    place(tmp_path, "a.wav")
    listed = [Utterance(tmp_path / f"{name}.wav", "anger") for name in "abc"]
    assert require_recordings("Corpus", listed[:1], "Unpack it.") == listed[:1]
    with pytest.raises(FaultsError, match=r"Corpus: 2 of 3 labelled recordings are missing, first .*b\.wav") as caught:
        require_recordings("Corpus", listed, "Unpack it.")
    assert [fault.path.name for fault in caught.value.faults] == ["b.wav", "c.wav"]
