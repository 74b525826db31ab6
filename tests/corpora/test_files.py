from __future__ import annotations

import re

import pytest

from pcqtool.corpora.files import files, recordings
from pcqtool.errors import CorpusError

NAME = r"(?P<speaker>[ab])_(?P<number>\d)"


def find(root):
    return recordings("Corpus", root, NAME, "a_1.wav: speaker, number")


def place(root, *names, content=""):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_recordings_are_found_at_any_depth_in_the_order_of_their_names(tmp_path):
    place(tmp_path, "z/a_1.wav", "y/x/b_1.WAV", "A_2.wav", "readme.txt")
    found = find(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path, _ in found] == ["z/a_1.wav", "A_2.wav", "y/x/b_1.WAV"]
    assert [(part["speaker"], part["number"]) for _, part in found] == [("a", "1"), ("A", "2"), ("b", "1")]


def test_what_is_hidden_is_passed_over(tmp_path):
    place(tmp_path, "._a_1.wav", "__MACOSX/a_2.wav", ".cache/a_3.wav", "a_4.wav", ".DS_Store")
    assert files(tmp_path, ".wav") == [tmp_path / "a_4.wav"]


def test_a_folder_of_which_another_part_is_hidden_is_not_passed_over(tmp_path):
    root = tmp_path / ".data" / "corpus"
    place(root, "a_1.wav")
    assert len(find(root)) == 1


def test_a_folder_within_a_folder_of_the_same_counts_once(tmp_path):
    place(tmp_path, "corpus/a_1.wav", "corpus/corpus/a_1.wav", "corpus/corpus/b_1.wav", content="same")
    assert [path.relative_to(tmp_path).as_posix() for path, _ in find(tmp_path)] == [
        "corpus/a_1.wav",
        "corpus/corpus/b_1.wav",
    ]


def test_two_recordings_of_one_name_are_an_error(tmp_path):
    place(tmp_path, "original/a_1.wav", content="48 kHz")
    place(tmp_path, "smaller/a_1.wav", content="16")
    with pytest.raises(CorpusError, match=r"original/a_1\.wav and .*smaller/a_1\.wav have one name, but differ"):
        find(tmp_path)


def test_another_name_is_an_error(tmp_path):
    place(tmp_path, "a_1.wav", "c_1.wav")
    with pytest.raises(CorpusError, match=r"Corpus: .*c_1\.wav is not named .*\(a_1\.wav: speaker, number\)"):
        find(tmp_path)


@pytest.mark.parametrize(("name", "hint"), [("x/corpus.zip", "Unpack .*corpus.zip"), ("notes.txt", "was unpacked in")])
def test_no_recordings_are_an_error_that_says_what_to_do(tmp_path, name, hint):
    place(tmp_path, name)
    with pytest.raises(CorpusError, match="no recordings") as caught:
        find(tmp_path)
    assert re.search(hint, caught.value.hint)


def test_no_folder_at_all_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="no recordings"):
        find(tmp_path / "nowhere")
