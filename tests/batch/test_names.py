from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.audio.discover import FoundFile, discover
from pcqtool.batch.names import (
    escape_path,
    find_sources,
    name_of,
    name_recordings,
    path_of,
    signature_of,
    unescape_path,
)
from pcqtool.errors import SettingsError

PART = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=5)
FOLDER = st.lists(PART.filter(lambda part: part not in (".", "..")), max_size=4).map(lambda each: "/" + "/".join(each))


def make(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")


def label(rows, inputs, root=None, listed=None):
    """What runs that write to one table do with names: ``rows`` are the table's, as file → stamp."""
    found = discover(inputs, listed)
    sources = name_recordings(found.files, root or found.root, rows)
    rows |= {source.file: signature_of(source) for source in sources}
    return [source.file for source in sources]


@given(FOLDER, FOLDER)
def test_a_name_leads_back_to_its_path(path: str, root: str) -> None:
    assert path_of(name_of(path, root), root) == path


@given(st.lists(st.binary(min_size=1, max_size=4).filter(lambda raw: not set(raw) & {0, 47}), unique=True, max_size=6))
def test_different_names_stay_different_and_are_valid(raw: list[bytes]) -> None:
    paths = [os.fsdecode(name) for name in raw]
    texts = [escape_path(path) for path in paths]
    assert len(set(texts)) == len(raw)
    assert [text.encode() and unescape_path(text) for text in texts] == paths


@pytest.mark.parametrize(
    ("path", "root", "name"),
    [
        ("/data/a/x.wav", "/data", "a/x.wav"),
        ("/data/a/x.wav", "/data/a", "x.wav"),
        ("/data/b/x.wav", "/data/a", "../b/x.wav"),
        ("/database/x.wav", "/data", "../database/x.wav"),
        ("/x.wav", "/", "x.wav"),
        ("/a/..x/y.wav", "/a", "..x/y.wav"),
    ],
)
def test_names(path: str, root: str, name: str) -> None:
    assert name_of(path, root) == name


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    for name in (b"b\xf6se.wav", b"b\\xf6se.wav", "böse.wav".encode()):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    sources = find_sources([tmp_path])
    assert [source.file for source in sources] == ["b\\\\xf6se.wav", "b\\xf6se.wav", "böse.wav"]
    for source in sources:
        assert source.path.exists()
        assert path_of(source.file, str(tmp_path)) == str(source.location)


def test_a_recording_has_one_name_whatever_way_leads_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    make(data / "mon/1.wav", data / "tue/1.wav", data / "tue/2.wav")
    (tmp_path / "short").symlink_to(data)
    root = str(data / "mon")
    rows: dict = {}
    assert label(rows, [data / "mon"]) == ["1.wav"]
    wanted = ["../tue/1.wav", "../tue/2.wav", "1.wav"]
    monkeypatch.chdir(data)
    for inputs, listed in (
        ([data], None),
        ([data / "tue", data / "mon"], None),
        (["tue", "../data/mon"], None),
        ([tmp_path / "short"], None),
        ([f"{tmp_path}/short/*/*.wav"], None),
        ([f"{data}/**/*.wav"], None),
        ([], ["mon/1.wav", f"{tmp_path}/short/tue/1.wav", "./tue/../tue/2.wav"]),
    ):
        assert label(rows, inputs, root, listed) == wanted
    assert sorted(rows) == wanted


def test_equal_names_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    for folder in ("X", "q/X/b", "q/z/b"):
        make(tmp_path / folder / "a.wav", tmp_path / folder / "b/a.wav")
    files = label({}, [tmp_path / "X", tmp_path / "q/X/b", tmp_path / "q/z/b"])
    assert len(set(files)) == 6


def test_a_link_keeps_its_name_and_one_row(tmp_path: Path) -> None:
    make(tmp_path / "store/4711.wav")
    links = tmp_path / "links"
    links.mkdir()
    (links / "anna.wav").symlink_to(tmp_path / "store/4711.wav")
    rows: dict = {}
    assert label(rows, [links]) == ["anna.wav"]
    assert rows["anna.wav"].target == "../store/4711.wav"
    (links / "again.wav").symlink_to(tmp_path / "store/4711.wav")
    for inputs in ([tmp_path / "store"], [links], [links / "again.wav"], [tmp_path]):
        assert label(rows, inputs, str(links)) == ["anna.wav"]


def test_a_link_into_a_folder_keeps_its_name_too(tmp_path: Path) -> None:
    make(tmp_path / "disk/x.wav", tmp_path / "calls/y.wav")
    (tmp_path / "calls/more").symlink_to(tmp_path / "disk")
    rows: dict = {}
    assert label(rows, [tmp_path / "calls"]) == ["more/x.wav", "y.wav"]
    assert label(rows, [tmp_path / "disk"], str(tmp_path / "calls")) == ["more/x.wav"]


def test_a_link_that_leads_elsewhere_now_is_another_recording(tmp_path: Path) -> None:
    make(tmp_path / "store/mon.wav", tmp_path / "store/tue.wav")
    latest = tmp_path / "in/latest.wav"
    latest.parent.mkdir()
    latest.symlink_to(tmp_path / "store/mon.wav")
    rows: dict = {}
    assert label(rows, [latest.parent]) == ["latest.wav"]
    latest.unlink()
    latest.symlink_to(tmp_path / "store/tue.wav")
    assert label(rows, [latest.parent]) == ["../store/tue.wav"]
    assert label(rows, [tmp_path / "store"], str(latest.parent)) == ["../store/tue.wav", "latest.wav"]
    assert sorted(rows) == ["../store/tue.wav", "latest.wav"]


def test_a_recording_in_the_place_of_a_link_leaves_the_links_row(tmp_path: Path) -> None:
    make(tmp_path / "store/1.wav")
    link = tmp_path / "in/1.wav"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "store/1.wav")
    rows: dict = {}
    label(rows, [link.parent])
    link.unlink()
    make(link)
    for inputs in ([link.parent], [tmp_path], [link]):
        files = label(rows, inputs, str(link.parent))
        assert "./1.wav" in files
        assert set(files) <= {"./1.wav", "1.wav"}
    assert rows["1.wav"].target == "../store/1.wav"
    assert rows["./1.wav"].target is None
    assert path_of("./1.wav", str(link.parent)) == str(link)


def test_a_link_without_its_target_keeps_its_name(tmp_path: Path) -> None:
    make(tmp_path / "store/1.wav")
    link = tmp_path / "in/a.wav"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "store/1.wav")
    rows: dict = {}
    label(rows, [link.parent])
    (tmp_path / "store/1.wav").unlink()
    assert label(rows, [link.parent]) == ["a.wav"]
    assert rows["a.wav"].target == "../store/1.wav"


def test_two_recordings_never_share_a_name() -> None:
    one = FoundFile("/a/x.wav", "/a/x.wav", None, 1, 1.0)
    with pytest.raises(SettingsError, match="would both be"):
        name_recordings([one, one], "/a", {})
