"""What the disk or the machine does to a recording is not the recording's fault: the next run tries again."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from pcqtool.audio.decoding import recording as recording_module
from pcqtool.audio.decoding.byte_range import view_range
from pcqtool.audio.decoding.container import _SeekableFile
from pcqtool.audio.decoding.recording import open_recording
from pcqtool.audio.decoding.sndfile import CallbackFile
from pcqtool.audio.reader import SegmentReader
from pcqtool.errors import AccessError, AudioError

Make = Callable[..., Path]
Sound = Callable[..., np.ndarray]


class BadDisk(io.RawIOBase):
    """A file that can be read up to an offset."""

    def __init__(self, file: BinaryIO, good: int, number: int) -> None:
        self._file, self._good, self._number = file, good, number

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        at = self._file.tell()
        if at < self._good < at + len(buffer) and at + len(buffer) <= os.fstat(self._file.fileno()).st_size:
            buffer = memoryview(buffer)[: self._good - at]
        elif at >= self._good:
            raise OSError(self._number, os.strerror(self._number))
        return self._file.readinto(buffer)


@pytest.fixture
def bad_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the disk fail from a byte on."""

    def make(good: int, number: int = errno.EIO) -> None:
        opener = recording_module.open_file
        monkeypatch.setattr(recording_module, "open_file", lambda path: BadDisk(opener(path), good, number))

    return make


SNDFILE = [
    ("WAV", "PCM_16"),
    ("WAV", "GSM610"),
    ("AIFF", "PCM_16"),
    ("AU", "ULAW"),
    ("W64", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
@pytest.mark.parametrize(("format_", "subtype"), SNDFILE)
def test_a_disk_that_fails_half_way(
    sound: Sound, write: Make, bad_disk: Callable[..., None], format_: str, subtype: str, number: int
) -> None:
    path = write("a", sound(60, 8000), 8000, format_, subtype)
    bad_disk(path.stat().st_size // 2, number)
    reader = SegmentReader(path)
    with pytest.raises(AccessError, match=os.strerror(number)) as caught:
        list(reader)
    assert str(path) in caught.value.what
    assert reader.info.shortfall is None


@pytest.mark.parametrize(("container", "codec"), [("webm", "libopus"), ("mpegts", "aac"), ("matroska", "flac")])
def test_a_disk_that_fails_half_way_through_a_file_for_ffmpeg(
    mux: Make, sound: Sound, bad_disk: Callable[..., None], container: str, codec: str
) -> None:
    path = mux("a", container, (codec, 48000, (0, sound(20, 48000))))
    bad_disk(path.stat().st_size * 2 // 3)
    with pytest.raises(AccessError, match=r"a: cannot be read .Input/output error"):
        list(SegmentReader(path))


@pytest.mark.parametrize(("format_", "subtype"), SNDFILE)
def test_a_descriptor_that_fails_half_way(
    sound: Sound, write: Make, monkeypatch: pytest.MonkeyPatch, format_: str, subtype: str
) -> None:
    path = write("a", sound(60, 8000), 8000, format_, subtype)
    opened: list[BinaryIO] = []
    opener = recording_module.open_file
    monkeypatch.setattr(recording_module, "open_file", lambda path: opened.append(opener(path)) or opened[-1])
    unreadable = os.open(os.devnull, os.O_WRONLY)
    with open_recording(path) as recording:
        blocks = recording.blocks(2.0)
        next(blocks)
        os.dup2(unreadable, opened[0].fileno())
        with pytest.raises(AccessError, match="cannot be read"):
            list(blocks)
    os.close(unreadable)


@pytest.mark.parametrize("good", [0, 1, 20, 60])
@pytest.mark.parametrize("format_", ["WAV", "FLAC", "OGG"])
def test_a_disk_that_fails_at_the_header(
    sound: Sound, write: Make, bad_disk: Callable[..., None], format_: str, good: int
) -> None:
    path = write("a", sound(2), 16000, format_, "VORBIS" if format_ == "OGG" else "PCM_16")
    bad_disk(good)
    with pytest.raises(AccessError, match="Input/output error"):
        list(SegmentReader(path))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "no permission to read it"),
        (errno.EPERM, "no permission to read it"),
        (errno.ENOENT, "does not exist"),
        (errno.EIO, "Input/output error"),
        (errno.ESTALE, "Stale file handle"),
        (errno.EMFILE, "Too many open files"),
        (errno.ENFILE, "Too many open files in system"),
        (errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_a_file_that_cannot_be_opened(
    write: Make, sound: Sound, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    path = write("a.wav", sound(1))
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AccessError, match=words) as caught:
        open_recording(path)
    assert str(path) in caught.value.what
    assert caught.value.hint


def test_errors_of_the_recording_itself(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no sound\n" * 100)
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "itself.wav").symlink_to(tmp_path / "itself.wav")
    for name in ("empty.wav", "text.wav", "pipe.wav", ".", "itself.wav", "n" * 300):
        with pytest.raises(AudioError) as caught:
            open_recording(tmp_path / name)
        assert not isinstance(caught.value, AccessError), name


@pytest.mark.parametrize(("format_", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")])
def test_a_file_that_becomes_shorter_while_it_is_read(sound: Sound, write: Make, format_: str, subtype: str) -> None:
    path = write("a", sound(60), 16000, format_, subtype)
    with open_recording(path) as recording:
        blocks = recording.blocks(2.0)
        next(blocks)
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(AccessError, match="became shorter while being read"):
            list(blocks)


def test_a_header_that_points_before_the_file_is_the_recordings_fault() -> None:
    content = b"#" * 100
    assert CallbackFile(io.BytesIO(content)).seek(50) == 50
    with pytest.raises(OSError, match="Invalid argument"):
        view_range(io.BytesIO(content), 10, 90).seek(-1)
    for number, error in ((errno.EINVAL, None), (errno.EIO, OSError)):
        quiet = CallbackFile(BadSeek(number))
        assert quiet.seek(-1) == -1
        assert isinstance(quiet.error, error or type(None))
    assert _SeekableFile(BadSeek(errno.EINVAL)).seek(-1) < 0
    with pytest.raises(OSError, match="Input/output error"):
        _SeekableFile(BadSeek(errno.EIO)).seek(-1)


class BadSeek(io.BytesIO):
    """A file in which no other place is to be found."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError(self._number, os.strerror(self._number))
