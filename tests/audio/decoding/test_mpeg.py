"""Tags before recordings, and recordings that are not what their names say."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pcqtool.audio.decoding.recording import open_recording
from pcqtool.audio.reader import ReaderOptions, SegmentReader
from pcqtool.errors import AudioError

Make = Callable[..., Path]
Sound = Callable[..., np.ndarray]
Tone = Callable[..., np.ndarray]


def tag(n_bytes: int, footer: bool = False) -> bytes:
    """An ID3v2 tag whose content has a picture's size."""
    size = bytes(n_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
    flags = b"\x10" if footer else b"\0"
    content = np.random.default_rng(0).bytes(n_bytes)
    return b"ID3\x04\0" + flags + size + content + (b"3DI\x04\0" + flags + size if footer else b"")


def heard(path: Path) -> tuple[np.ndarray, int, str | None]:
    with open_recording(path) as recording:
        wave = np.concatenate([np.zeros((0, recording.n_channels), np.float32), *recording.blocks()])
        return wave, recording.sample_rate, recording.shortfall


@pytest.mark.parametrize("tags", [tag(20), tag(100_000), tag(300, footer=True), tag(30) + tag(70)])
@pytest.mark.parametrize(
    ("format_", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "GSM610"),
        ("RF64", "PCM_16"),
        ("W64", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("AU", "ULAW"),
        ("CAF", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
def test_a_tag_before_a_recording(sound: Sound, write: Make, tags: bytes, format_: str, subtype: str) -> None:
    path = write("a.wav", sound(3, 8000), 8000, format_, subtype)
    whole = heard(path)
    path.write_bytes(tags + path.read_bytes())
    found = heard(path)
    np.testing.assert_array_equal(found[0], whole[0])
    assert found[1:] == whole[1:]


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "flac"), ("adts", "aac")])
def test_a_tag_before_what_ffmpeg_reads(mux: Make, tone: Tone, container: str, codec: str) -> None:
    path = mux("a", container, (codec, 48000, (0, tone(3, 48000))))
    whole = heard(path)
    path.write_bytes(tag(100_000) + path.read_bytes())
    found = heard(path)
    assert len(found[0]) / 48000 == pytest.approx(3, abs=0.05)
    np.testing.assert_array_equal(found[0], whole[0])
    assert found[2] is None


def test_a_tag_whose_recording_counts_less(sound: Sound, write: Make) -> None:
    path = write("a.wav", sound(3))
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 40, 32_000)
    path.write_bytes(tag(500) + content)
    assert len(heard(path)[0]) == 48_000


def test_a_wav_that_holds_mpeg_layer_3(mux: Make, tone: Tone) -> None:
    path = mux("a.wav", "wav", ("libmp3lame", 16000, (0, tone(4, 16000))))
    wave, rate, shortfall = heard(path)
    assert (rate, shortfall) == (16000, None)
    assert len(wave) / rate == pytest.approx(4, abs=0.15)


@pytest.mark.parametrize(("container", "codec"), [("mp3", "libmp3lame"), ("ipod", "aac"), ("adts", "aac")])
def test_a_wav_by_name_alone(mux: Make, tone: Tone, container: str, codec: str) -> None:
    wave, rate, shortfall = heard(mux("a.wav", container, (codec, 44100, (0, tone(4, 44100)))))
    assert (rate, shortfall) == (44100, None)
    assert len(wave) / rate == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("garbage", [b"\0" * 3000, bytes(np.random.default_rng(1).integers(0, 250, 3000, np.uint8))])
def test_an_mp3_behind_garbage(mux: Make, tone: Tone, garbage: bytes) -> None:
    path = mux("a.mp3", "mp3", ("libmp3lame", 44100, (0, tone(4, 44100))))
    path.write_bytes(garbage + path.read_bytes())
    wave, rate, _ = heard(path)
    assert len(wave) / rate == pytest.approx(4, abs=0.15)


@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.m4a", "a.amr"])
def test_zeros_are_no_recording(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(20_000_000)
    with pytest.raises(AudioError, match=r"decoded"):
        list(SegmentReader(tmp_path / name, ReaderOptions(vad=False)))


def test_a_stream_without_samples(mux: Make) -> None:
    wave, _, shortfall = heard(mux("a", "matroska", ("flac", 48000), video_s=1))
    assert (len(wave), shortfall) == (0, None)
