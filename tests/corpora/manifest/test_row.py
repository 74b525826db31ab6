from __future__ import annotations

from pathlib import Path

import pytest

from pcqtool.corpora.manifest.row import ManifestRow
from pcqtool.errors import CorpusError


@pytest.fixture
def entry(tmp_path, write_wave):
    """An entry for a recording of two seconds on two channels."""
    write_wave("a.wav", 2.0, 8000, 2)
    return lambda **row: ManifestRow("m.csv, line 2", tmp_path, {"file_name": "a.wav", "label": "sad", **row})


@pytest.mark.parametrize(
    "row", [{"start_s": 1.9}, {"end_s": 2.05}, {"start_s": 0.5, "end_s": 2}, {"channel": 1}, {"channel": 0, "end_s": 1}]
)
def test_times_inside_the_file_are_accepted(entry, row):
    found = entry(**row).utterance()
    assert {name: getattr(found, name) for name in row} == row


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"start_s": 2.0}, "start_s 2 is outside"),
        ({"start_s": 7.5, "end_s": 8}, "start_s 7.5 is outside"),
        ({"start_s": 1, "end_s": 2.2}, "end_s 2.2 is outside"),
        ({"channel": 2}, "which has 2 (counted from 0)"),
    ],
)
def test_times_outside_the_file_are_an_error(entry, row, text):
    with pytest.raises(CorpusError) as caught:
        entry(**row).utterance()
    assert text in caught.value.what
    assert "a.wav" in caught.value.what
    if "channel" not in row:
        assert "which is 2 s long" in caught.value.what


def test_a_header_without_a_duration_is_accepted(tmp_path):
    for name in ("empty.wav", "headless.raw"):
        (tmp_path / name).touch()
        row = {"file_name": name, "label": "sad", "start_s": 5, "channel": 3}
        assert ManifestRow("m.csv, line 2", tmp_path, row).utterance().start_s == 5


def test_a_header_is_read_only_where_it_is_needed(entry, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no audio")
    assert entry().utterance().path == tmp_path / "a.wav"


@pytest.mark.parametrize("name", ["sub\\b.wav", "sub/b.wav", ".\\sub\\b.wav"])
def test_a_path_may_be_written_as_on_windows(tmp_path, name):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.wav").touch()
    found = ManifestRow("m.csv, line 2", tmp_path, {"file_name": name, "label": "sad"}).utterance()
    assert found.path.resolve() == (tmp_path / "sub" / "b.wav").resolve()


def test_a_backslash_is_part_of_a_name_if_that_file_exists(tmp_path):
    odd = tmp_path / "a\\b.wav"
    odd.touch()
    assert ManifestRow("m.csv, line 2", tmp_path, {"file_name": "a\\b.wav", "label": "sad"}).utterance().path == odd


def test_a_missing_absolute_path_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match=r"no such file: .*nowhere\.wav"):
        ManifestRow("", tmp_path, {"file_name": str(Path("/nowhere.wav")), "label": "sad"}).utterance()


@pytest.mark.parametrize("name", ["label", "speaker", "session", "text_id"])
def test_half_a_character_is_refused(entry, name):
    with pytest.raises(CorpusError, match=rf"{name} is '.ud800x', which is not valid UTF-8"):
        entry(**{name: "\ud800x"}).utterance(accepted=["\ud800x"])


@pytest.mark.parametrize("name", ["label", "speaker", "session"])
@pytest.mark.parametrize("value", ["a\nb", "a\x00b", "a\x1b[2Jb", "a\x85b"])
def test_control_characters_are_refused(entry, name, value):
    with pytest.raises(CorpusError, match=f"{name} is .*, which contains control characters") as caught:
        entry(**{name: value}).utterance(accepted=[value])
    assert caught.value.what.isprintable()
    assert entry(text_id=value).utterance().text_id == value


@pytest.mark.parametrize("value", [5, 1.5, True, ["anger"], {"a": 1}, "x" * 100_000])
def test_an_invalid_label_is_shortened_in_the_error(entry, value):
    with pytest.raises(CorpusError) as caught:
        entry(label=value).utterance()
    assert len(caught.value.what) < 200
