"""Names of exported files are safe and unique."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.exports.names import OutputNames


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("mon/call.wav", "mon/call.srt"),
        ("../day2/a.wav", "_up/day2/a.srt"),
        ("/etc/passwd", "etc/passwd.srt"),
        ("./a.wav", "a.srt"),
        ("..", "_up.srt"),
        ('a"b\n:c?.wav', "a_b _c_.srt"),
        (r"a\\b\xff.wav", "a__b_xff.srt"),
        ("ünïcode/録音.wav", "ünïcode/録音.srt"),
        ("con/nul.wav", "_con/_nul.srt"),
        (". ./x.wav", "_/x.srt"),
        (".wav", ".wav.srt"),
        ("", "_.srt"),
    ],
)
def test_a_name_becomes_a_path(file, path):
    assert OutputNames([file]).path(file, ".srt") == path


def test_names_that_differ_in_suffix_or_case_have_paths_of_their_own():
    files = ["a.wav", "a.mp3", "A.flac", "b.wav", "c:.wav", "c?.wav"]
    names = OutputNames(files)
    assert [names.path(file, ".srt") for file in files] == [
        "a.wav.srt",
        "a.mp3.srt",
        "A.flac.srt",
        "b.srt",
        "c_.wav.srt",
        "c_.wav-2.srt",
    ]


def test_a_file_does_not_take_the_name_of_a_folder():
    files = ["a.srt/x.wav", "a.wav"]
    names = OutputNames(files)
    assert [names.path(file, ".srt") for file in files] == ["a.srt/x.srt", "a-2.srt"]


def test_long_names_are_shortened():
    names = OutputNames(["ü" * 127 + ".wav", "ü" * 126 + "o.wav"])
    stems = [names.path(file, ".ch0.selections.txt") for file in names._stems]
    assert len(set(stems)) == 2
    assert all(len(stem.encode()) < 220 for stem in stems)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["a.wav", "a.mp3", "../a.wav"])))
def test_paths_are_unique_and_stay_inside(files):
    files = list(dict.fromkeys(files))
    names = OutputNames(files)
    paths = [names.path(file, tag) for file in files for tag in (".srt", ".ch1.srt")]
    assert len({path.casefold() for path in paths}) == len(paths)
    for path in paths:
        parts = PurePosixPath(path).parts
        assert not PurePosixPath(path).is_absolute()
        assert ".." not in parts
        assert "\x00" not in path
    assert not {Path(path).as_posix() for path in paths} & {
        parent.as_posix() for path in paths for parent in Path(path).parents
    }
