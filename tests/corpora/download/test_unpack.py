from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from pcqtool.corpora.download import unpack as module
from pcqtool.corpora.download.unpack import is_archive, unpack
from pcqtool.errors import CorpusError

FILES = {"wav/a.wav": b"a" * 5000, "wav/deep/b.wav": b"b", "read me.txt": b"c"}


def zipped(path: Path, files: dict[str, bytes], mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def tarred(path: Path, files: dict[str, bytes], mode: str = "w:gz", **more: object) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = 0 if more else len(content)
            for key, value in more.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return path


def below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["zip", "w:", "w:gz", "w:bz2", "w:xz"])
def test_packed_files_are_unpacked(tmp_path, kind):
    path = tmp_path / "archive"
    archive = zipped(path, FILES) if kind == "zip" else tarred(path, FILES, kind)
    told: list[int] = []
    assert unpack(archive, tmp_path / "out", lambda done, total: told.append(done)) == 3
    assert below(tmp_path / "out") == FILES
    assert told == [5000, 5001, 5002]


def test_folders_and_leading_dots_are_accepted(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in (".", "./wav"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
        archive.addfile(tarfile.TarInfo("./wav/a.wav"))
    unpack(tmp_path / "a.tar", tmp_path / "out")
    assert below(tmp_path / "out") == {"wav/a.wav": b""}


@pytest.mark.parametrize(
    "name", ["../evil", "wav/../../evil", "/evil", "..\\evil", "\\evil", "C:\\evil", "C:evil", "wav/.."]
)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_paths_outside_the_folder_are_refused(tmp_path, pack, name):
    archive = pack(tmp_path / "archive", {"wav/a.wav": b"a", name: b"evil"})
    with pytest.raises(CorpusError, match="is outside its folder"):
        unpack(archive, tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("*evil"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
@pytest.mark.parametrize("to", ["/etc/passwd", "../../outside", "a.wav"])
def test_tars_with_links_and_devices_are_refused(tmp_path, kind, to):
    archive = tarred(tmp_path / "a.tar", {"wav/link": b""}, type=kind, linkname=to)
    with pytest.raises(CorpusError, match="is not a plain file"):
        unpack(archive, tmp_path / "out")
    assert not below(tmp_path / "out")


def test_zips_with_links_are_refused(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"wav/link": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777)
    with pytest.raises(CorpusError, match="is not a plain file"):
        unpack(archive, tmp_path / "out")


def test_permissions_are_those_of_new_files(tmp_path):
    unpack(zipped(tmp_path / "a.zip", {"run.sh": b"x"}, mode=0o104777), tmp_path / "out")
    unpack(tarred(tmp_path / "a.tar", {"run2.sh": b""}, mode="w", gid=0), tmp_path / "out")
    (tmp_path / "new").touch()
    for name in ("run.sh", "run2.sh"):
        assert (tmp_path / "out" / name).stat().st_mode == (tmp_path / "new").stat().st_mode


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_zip_bomb_is_refused(tmp_path, pack, monkeypatch):
    monkeypatch.setattr(module, "ALWAYS_ALLOWED_BYTES", 10_000)
    archive = pack(tmp_path / "archive", {f"{n}.wav": bytes(1_000_000) for n in range(10)})
    with pytest.raises(CorpusError, match="unpacks to more than"):
        unpack(archive, tmp_path / "out")
    assert sum(map(len, below(tmp_path / "out").values())) < 1_000_000


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_two_entries_of_one_name_are_refused(tmp_path, pack):
    for names in (("a", "a/b"), ("a/b", "a"), ("a", "./a")):
        archive = pack(tmp_path / "archive", dict.fromkeys(names, b"x"))
        with pytest.raises(CorpusError, match="two entries"):
            unpack(archive, tmp_path / f"out-{len(names[0])}-{len(names[1])}")


@pytest.mark.parametrize("kind", ["zip", "w:gz", "w:bz2", "w:xz"])
def test_damage_is_reported(tmp_path, kind):
    import random

    path = tmp_path / "archive"
    files = {"a.wav": random.Random(0).randbytes(200_000)}
    archive = zipped(path, files) if kind == "zip" else tarred(path, files, kind)
    content = bytearray(archive.read_bytes())
    content[100_000:100_100] = bytes(100)
    archive.write_bytes(content)
    with pytest.raises(CorpusError, match="neither a zip nor a tar" if kind == "w:bz2" else "is damaged"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"<html>Sign in</html>"])
def test_other_files_are_not_archives(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(CorpusError, match="neither a zip nor a tar") as caught:
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert "web page" in caught.value.hint


def test_a_zip_with_a_password(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"a.wav": b"a"})
    content = bytearray(archive.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    archive.write_bytes(content)
    with pytest.raises(CorpusError, match="password"):
        unpack(archive, tmp_path / "out")


def test_which_names_are_unpacked():
    assert all(map(is_archive, ("a.zip", "a.TAR.GZ", "b.tgz", "c.tar")))
    assert not any(map(is_archive, ("a.wav", "table.csv", "zip", "a.gz")))
