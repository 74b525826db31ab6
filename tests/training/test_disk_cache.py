"""The cache's folder, and what is said when it cannot be used."""

from __future__ import annotations

import pytest

from pcqtool.errors import TrainingError
from pcqtool.training.disk_cache import cache_folder, cache_writer, is_intact, read_intact


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))


def test_the_folder_is_the_users_cache_unless_named(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("PCQTOOL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "pcqtool"


def test_a_file_is_there_once_it_is_whole():
    path = cache_folder() / "kind" / "name.bin"
    with pytest.raises(ZeroDivisionError), cache_writer(path, 1) as file:
        file.write(b"a" * (1 // 0))
    assert list(path.parent.iterdir()) == []
    with cache_writer(path, 1) as file:
        file.write(b"a")
    assert is_intact(path)
    assert read_intact(path) == b"a"


def test_too_little_room_is_said_before_anything_is_written(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10}))
    with pytest.raises(TrainingError, match="needs"), cache_writer(cache_folder() / "a", 11):
        raise AssertionError("the block must not be run")
    with cache_writer(cache_folder() / "a", 10) as file:
        file.write(b"a")
