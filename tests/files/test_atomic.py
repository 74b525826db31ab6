from __future__ import annotations

import errno
import os
import re
import signal
import stat
from pathlib import Path

import pytest

from pcqtool.errors import FileError
from pcqtool.files.atomic import replacing, reported, write_whole


def test_appears_whole_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "x.parquet"
    with replacing(path) as file:
        file.write(b"whole")
        assert not path.exists()
        (temporary,) = path.parent.iterdir()
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(".tmp")
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt, OSError])
def test_failure_keeps_the_old_and_leaves_no_temporary(tmp_path: Path, fault: type[BaseException]) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"old")

    def fail() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise fault

    with pytest.raises(fault):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_success_replaces_the_old(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_synced_before_the_rename_and_the_folder_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "x.parquet", []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        seen.append((kind, path.exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with replacing(path) as file:
        file.write(b"x")
    assert seen == [("file", False), ("folder", True)]


def test_file_systems_without_sync_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.EINVAL, "no such call here")

    monkeypatch.setattr(os, "fsync", fsync)
    with replacing(tmp_path / "x") as file:
        file.write(b"x")
    assert (tmp_path / "x").read_bytes() == b"x"


def test_failed_sync_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(FileError, match="Input/output error"), replacing(tmp_path / "x") as file:
        file.write(b"x")
    assert list(tmp_path.iterdir()) == []


def test_ordinary_permissions(tmp_path: Path) -> None:
    with replacing(tmp_path / "ours") as file:
        file.write(b"x")
    (tmp_path / "plain").touch()
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_symbolic_link_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "x.parquet"
    link.symlink_to(tmp_path / "disk" / "x.parquet")
    with replacing(link) as file:
        file.write(b"x")
    assert link.is_symlink()
    assert (tmp_path / "disk" / "x.parquet").read_bytes() == b"x"


def test_longest_name(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120)
    with replacing(path) as file:
        file.write(b"x")
    assert path.read_bytes() == b"x"


def test_too_long_name(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="too long") as caught, replacing(tmp_path / ("x" * 300)) as file:
        file.write(b"x")
    assert "shorter name" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_directory_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").mkdir()
    with pytest.raises(FileError, match=r"x\.parquet: cannot be written") as caught, replacing(tmp_path / "x.parquet"):
        pass
    assert "directory has this name" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]


def test_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(FileError, match="cannot be written") as caught, replacing(tmp_path / "x" / "y.parquet"):
        pass
    assert "part of the path is a file" in caught.value.hint


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a file system that refuses even root")
def test_refused_by_the_file_system() -> None:
    with pytest.raises(FileError, match=r"x\.parquet: cannot be written"), replacing(Path("/proc/self/x.parquet")):
        pass


def test_a_refused_write_is_told_and_the_old_file_stays(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "metrics.json"
    write_whole(path, b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(FileError, match=r"metrics\.json: cannot be written \(File too large\)"):
            write_whole(path, bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("link", [False, True])
def test_pipes_and_devices_are_not_replaced(tmp_path: Path, link: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    named = tmp_path / "r.parquet" if link else pipe
    if link:
        named.symlink_to(pipe)
    with pytest.raises(FileError, match="a pipe or a device") as caught, replacing(named) as file:
        file.write(b"x")
    assert "Results need a regular file" in caught.value.hint
    assert pipe.is_fifo()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", *(["r.parquet"] if link else [])}
    with pytest.raises(FileError, match="a pipe or a device"):
        write_whole(Path(os.devnull), b"x")
    assert Path(os.devnull).is_char_device()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
def test_a_file_system_without_new_files_is_named() -> None:
    with (
        pytest.raises(FileError, match=r"x\.parquet: cannot be written") as caught,
        replacing(Path("/proc/x.parquet")),
    ):
        pass
    assert "takes no new files" in caught.value.hint


def test_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(FileError, match="cannot be written") as caught, replacing(tmp_path / "a" / "r.parquet"):
        pass
    assert "loop" in caught.value.hint


@pytest.mark.parametrize("name", ["EIO", "ENOENT", "EINVAL", "ELOOP", "ESTALE", "EBUSY", "ETXTBSY", "EMFILE", "ENOMEM"])
def test_each_refusal_has_a_remedy(tmp_path: Path, name: str) -> None:
    number = getattr(errno, name)
    with pytest.raises(FileError, match=re.escape(os.strerror(number))) as caught, reported(tmp_path):
        raise OSError(number, os.strerror(number))
    assert caught.value.hint.endswith(".")
