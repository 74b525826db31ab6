from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pcqtool.audio.discover import EXTENSIONS, Discovery, FoundFile, discover
from pcqtool.errors import SettingsError


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    for name in ("b.wav", "a.WAV", "notes.txt", ".hidden.wav", "._a.wav", "sub/c.mp3", "sub/deep/d.flac", ".old/e.wav"):
        file = tmp_path / "calls" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"12345")
    return tmp_path / "calls"


def names(found: Discovery) -> list[str]:
    return sorted(os.path.relpath(one.link or one.real, found.root) for one in found.files)


def test_a_folder(calls: Path) -> None:
    found = discover([calls])
    assert names(found) == ["a.WAV", "b.wav", "sub/c.mp3", "sub/deep/d.flac"]
    assert found.root == str(calls)
    b = str(calls / "b.wav")
    assert found.files[1] == FoundFile(b, b, None, 5, (calls / "b.wav").stat().st_mtime)


def test_a_file_is_taken_whatever_its_extension(calls: Path) -> None:
    assert names(discover([str(calls / "notes.txt")])) == ["notes.txt"]
    assert names(discover([calls / ".hidden.wav", calls / "b.wav"])) == [".hidden.wav", "b.wav"]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("*.wav", ["b.wav"]),
        ("*", ["a.WAV", "b.wav", "sub/c.mp3", "sub/deep/d.flac"]),
        ("s*", ["sub/c.mp3", "sub/deep/d.flac"]),
        ("*.txt", ["notes.txt"]),
        ("**", ["a.WAV", "b.wav", "sub/c.mp3", "sub/deep/d.flac"]),
        ("**/*.flac", ["sub/deep/d.flac"]),
        ("**/deep/*", ["sub/deep/d.flac"]),
        ("**/[ab].*", ["a.WAV", "b.wav"]),
        ("s?b/*.mp3", ["sub/c.mp3"]),
    ],
)
def test_patterns(calls: Path, pattern: str, wanted: list[str]) -> None:
    assert names(discover([f"{calls}/{pattern}"])) == wanted


def test_patterns_from_here(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(calls)
    assert names(discover(["*.wav"])) == ["b.wav"]
    assert names(discover(["**/*.mp3"])) == ["sub/c.mp3"]
    assert names(discover(["."])) == names(discover([calls]))
    assert Path(discover(["."]).files[0].path).exists()


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "call[1].wav").touch()
    assert names(discover([tmp_path / "call[1].wav"])) == ["call[1].wav"]


def test_equal_names_in_two_roots_do_not_collide(tmp_path: Path) -> None:
    for folder in ("x/2024/calls", "y/2024/calls", "y/2025/calls"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.wav").touch()
    x, y, z = tmp_path / "x/2024/calls", tmp_path / "y/2024/calls", tmp_path / "y/2025/calls"
    assert names(discover([x, y])) == ["x/2024/calls/a.wav", "y/2024/calls/a.wav"]
    assert names(discover([y, z])) == ["2024/calls/a.wav", "2025/calls/a.wav"]
    assert names(discover([z, y])) == names(discover([y, z]))
    assert names(discover([y / "a.wav", z / "a.wav"])) == ["2024/calls/a.wav", "2025/calls/a.wav"]
    assert names(discover([y, y / "a.wav", f"{y}/*.wav"])) == ["a.wav"], "one root, three times"


def test_names_do_not_depend_on_the_folders_other_files(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "z.wav").touch()
    before = names(discover([calls, tmp_path / "other"]))
    (tmp_path / "other" / "b.wav").touch()
    after = names(discover([calls, tmp_path / "other"]))
    assert set(after) - set(before) == {"other/b.wav"}
    assert set(before) <= set(after)


def test_the_same_file_appears_once(calls: Path) -> None:
    (calls / "link.wav").symlink_to(calls / "b.wav")
    (calls / "zz").symlink_to(calls / "sub")
    (calls / "sub" / "loop").symlink_to(calls)
    assert names(discover([calls])) == ["a.WAV", "b.wav", "sub/c.mp3", "sub/deep/d.flac"]
    assert names(discover([f"{calls}/**/*.wav"])) == ["b.wav"]
    assert len(discover([calls, calls / "sub"]).files) == 4


def test_a_link_to_a_folder_elsewhere_is_followed(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "x.wav").touch()
    (calls / "disk").symlink_to(tmp_path / "disk")
    (calls / "broken.wav").symlink_to(tmp_path / "nowhere.wav")
    assert "disk/x.wav" in names(discover([calls]))


def test_pipes_and_devices_have_no_size(calls: Path) -> None:
    os.mkfifo(calls / "pipe")
    found = discover([calls / "pipe", "/dev/null"], [str(calls)])
    assert [(one.size_bytes, one.mtime) for one in found.files] == [(None, None)] * 3


def test_broken_links_are_found_too(calls: Path, tmp_path: Path) -> None:
    os.mkfifo(calls / "pipe.wav")
    os.mkfifo(calls / "pipe")
    (calls / "folder.wav").mkdir()
    for name, target in (("itself", "itself.wav"), ("gone", tmp_path / "gone.wav"), ("zero", "/dev/zero")):
        (calls / f"{name}.wav").symlink_to(target)
        (calls / name).symlink_to(target)
    found = discover([calls])
    odd = ["gone.wav", "itself.wav", "pipe.wav", "zero.wav"]
    assert names(found) == ["a.WAV", "b.wav", *odd[:3], "sub/c.mp3", "sub/deep/d.flac", odd[3]]
    strange = Discovery(found.root, tuple(one for one in found.files if (one.size_bytes, one.mtime) == (None, None)))
    assert names(strange) == odd
    assert discover([f"{calls}/**"]) == found
    assert names(discover([f"{calls}/*.wav"])) == ["b.wav", *odd]


@pytest.mark.skipif(not Path("/proc/self/exe").exists(), reason="Linux has such links")
def test_links_to_invalid_paths_are_skipped(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def real(path: str) -> str:
        raise FileNotFoundError(2, "No such file or directory", path)

    (calls / "odd.wav").symlink_to("nowhere")
    with monkeypatch.context() as patch:
        patch.setattr(os, "readlink", real)
        assert names(discover([calls])) == ["a.WAV", "b.wav", "odd.wav", "sub/c.mp3", "sub/deep/d.flac"]
    with pytest.raises(SettingsError, match="no recordings"):
        discover(["/proc/self/fd"])


def test_a_list(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{calls}/b.wav", "", f"{calls}/sub/gone.wav", f"{calls}/notes.txt", f"{calls}/b.wav", "  "]
    found = discover([], lines)
    assert names(found) == ["b.wav", "notes.txt", "sub/gone.wav"]
    assert (found.files[2].size_bytes, found.files[2].mtime) == (None, None)
    monkeypatch.chdir(calls)
    assert names(discover([], ["b.wav", "sub/c.mp3"])) == ["b.wav", "sub/c.mp3"]
    assert names(discover([], ["sub/c.mp3"])) == ["c.mp3"]
    assert names(discover(["sub/deep"], ["b.wav"])) == ["b.wav", "sub/deep/d.flac"]


@pytest.mark.parametrize("missing", ["nowhere", "nowhere.wav", "nothing/*.wav", "*.ogg"])
def test_an_input_that_is_not_there(calls: Path, missing: str) -> None:
    with pytest.raises(SettingsError, match=r"does not exist|nothing matches"):
        discover([calls, f"{calls}/{missing}"])


def test_nothing_found(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(SettingsError, match="no recordings in") as caught:
        discover([tmp_path])
    assert str(tmp_path) in caught.value.what
    assert all(extension in caught.value.hint for extension in EXTENSIONS)
    with pytest.raises(SettingsError, match="no recordings in the list"):
        discover([], [""])


@pytest.mark.parametrize(
    "litter", ["$RECYCLE.BIN", "$Recycle.Bin", "#recycle", "@eaDir", "System Volume Information", "lost+found"]
)
def test_system_folders_are_skipped_unless_they_are_named(calls: Path, litter: str) -> None:
    (calls / "sub" / litter / "x").mkdir(parents=True)
    (calls / "sub" / litter / "x" / "old.wav").touch()
    before = ["a.WAV", "b.wav", "sub/c.mp3", "sub/deep/d.flac"]
    assert names(discover([calls])) == names(discover([f"{calls}/**"])) == before
    assert names(discover([calls / "sub" / litter])) == ["x/old.wav"]


def test_a_recording_may_be_called_like_a_recycle_bin(calls: Path) -> None:
    (calls / "#recycle.wav").touch()
    assert "#recycle.wav" in names(discover([calls]))


@pytest.mark.parametrize("name", ["pbx.spx", "tv.ts", "x.tta", "phone.3ga", "disc.m2ts", "cam.mts", "b.bwf"])
def test_folders_yield_every_format_that_can_be_decoded(calls: Path, name: str) -> None:
    (calls / name).write_bytes(b"G\x40\x00\x10" + bytes(184))
    assert name in names(discover([calls]))


@pytest.mark.parametrize("text", [b"import x from 'y';\n", "\ufeff// größe\r\n".encode(), b"Given\tit"])
def test_typescript_is_not_a_transport_stream(calls: Path, text: bytes) -> None:
    (calls / "code.ts").write_bytes(text)
    (calls / "empty.ts").touch()
    assert "code.ts" not in names(discover([calls]))
    assert "empty.ts" in names(discover([calls])), "an empty recording is a row that says so"
    assert names(discover([calls / "code.ts"])) == ["code.ts"], "what is named is taken"


def test_a_skipped_folder_is_reported(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(folder: str) -> Iterator[os.DirEntry[str]]:
        if folder.endswith("deep"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    told: dict[str, str] = {}
    for folder in (calls, f"{calls}/**"):
        assert names(discover([folder], on_skipped=told.__setitem__)) == ["a.WAV", "b.wav", "sub/c.mp3"]
        assert told.popitem() == (f"{calls}/sub/deep", "the folder cannot be read (Permission denied)")
    with pytest.raises(SettingsError, match="cannot be read"):
        discover([calls / "sub/deep"], on_skipped=told.__setitem__)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_folder(calls: Path, caplog: pytest.LogCaptureFixture) -> None:
    (calls / "sub").chmod(0)
    try:
        assert names(discover([calls])) == ["a.WAV", "b.wav"]
        assert "sub" in caplog.text
        with pytest.raises(SettingsError, match="cannot be read"):
            discover([calls / "sub"])
    finally:
        (calls / "sub").chmod(0o755)


def test_many_files_in_one_folder(tmp_path: Path) -> None:
    for number in range(10_000):
        os.close(os.open(f"{tmp_path}/{number}.wav", os.O_CREAT))
    start = time.process_time()
    assert len(discover([tmp_path]).files) == 10_000
    assert time.process_time() - start < 2
