"""Tags before recordings, and recordings that are not what their names say."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.audio.decoding.mp3 import padding_size, stated_duration_s, without_tags
from pcqtool.audio.decoding.recording import open_recording
from pcqtool.audio.reader import ReaderOptions, SegmentReader, read_header
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


def decoded(path: Path) -> tuple[np.ndarray, int, str | None]:
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
    whole = decoded(path)
    path.write_bytes(tags + path.read_bytes())
    found = decoded(path)
    np.testing.assert_array_equal(found[0], whole[0])
    assert found[1:] == whole[1:]


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "flac"), ("adts", "aac")])
def test_a_tag_before_formats_of_ffmpeg(mux: Make, tone: Tone, container: str, codec: str) -> None:
    path = mux("a", container, (codec, 48000, (0, tone(3, 48000))))
    whole = decoded(path)
    path.write_bytes(tag(100_000) + path.read_bytes())
    found = decoded(path)
    assert len(found[0]) / 48000 == pytest.approx(3, abs=0.05)
    np.testing.assert_array_equal(found[0], whole[0])
    assert found[2] is None


def test_a_tag_whose_recording_counts_less(sound: Sound, write: Make) -> None:
    path = write("a.wav", sound(3))
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 40, 32_000)
    path.write_bytes(tag(500) + content)
    assert len(decoded(path)[0]) == 48_000


def test_a_wav_that_contains_mpeg_layer_3(mux: Make, tone: Tone) -> None:
    path = mux("a.wav", "wav", ("libmp3lame", 16000, (0, tone(4, 16000))))
    wave, rate, shortfall = decoded(path)
    assert (rate, shortfall) == (16000, None)
    assert len(wave) / rate == pytest.approx(4, abs=0.15)


@pytest.mark.parametrize(("container", "codec"), [("mp3", "libmp3lame"), ("ipod", "aac"), ("adts", "aac")])
def test_a_wav_by_name_alone(mux: Make, tone: Tone, container: str, codec: str) -> None:
    wave, rate, shortfall = decoded(mux("a.wav", container, (codec, 44100, (0, tone(4, 44100)))))
    assert (rate, shortfall) == (44100, None)
    assert len(wave) / rate == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("garbage", [b"\0" * 3000, bytes(np.random.default_rng(1).integers(0, 250, 3000, np.uint8))])
def test_an_mp3_after_garbage(mux: Make, tone: Tone, garbage: bytes) -> None:
    path = mux("a.mp3", "mp3", ("libmp3lame", 44100, (0, tone(4, 44100))))
    path.write_bytes(garbage + path.read_bytes())
    wave, rate, _ = decoded(path)
    assert len(wave) / rate == pytest.approx(4, abs=0.15)


@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.m4a", "a.amr"])
def test_zeros_are_not_a_recording(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(20_000_000)
    with pytest.raises(AudioError, match=r"decoded"):
        list(SegmentReader(tmp_path / name, ReaderOptions(vad=False)))


def test_a_stream_without_samples(mux: Make) -> None:
    wave, _, shortfall = decoded(mux("a", "matroska", ("flac", 48000), video_s=1))
    assert (len(wave), shortfall) == (0, None)


RATE = 16000


def picture(n_bytes: int, seed: int = 0) -> bytes:
    """Bytes among which the beginnings of frames are."""
    return np.random.default_rng(seed).bytes(n_bytes)


def ape(n_bytes: int, header: bool = True, footer: bool = True) -> bytes:
    item = struct.pack("<II", n_bytes, 2) + b"Cover Art (front)\0" + picture(n_bytes)
    flags = header << 31 | (not footer) << 30

    def end(is_header: bool) -> bytes:
        size = len(item) + 32 * footer
        return b"APETAGEX" + struct.pack("<IIII", 2000, size, 1, flags | is_header << 29) + bytes(8)

    return end(True) * header + item + end(False) * footer


def id3(n_bytes: int) -> bytes:
    return b"ID3\x04\0\0" + bytes(n_bytes >> shift & 0x7F for shift in (21, 14, 7, 0)) + picture(n_bytes, 1)


ID3V1 = b"TAG" + b"A title".ljust(125, b"\0")
LYRICS = b"LYRICSBEGIN" + b"IND0000200" + b"LYR04998" + b"la " * 1666
LYRICS += b"%06dLYRICS200" % len(LYRICS)
PADDINGS = {
    "APE": ape(60_000),
    "APE without a header": ape(60_000, header=False),
    "APE without a footer": ape(60_000, footer=False),
    "APE and ID3v1": ape(60_000) + ID3V1,
    "ID3v1": ID3V1,
    "ID3v2": id3(60_000),
    "a short ID3v2": id3(30),
    "lyrics": LYRICS,
    "lyrics and ID3v1": LYRICS + ID3V1,
    "zeros": bytes(4096),
    "zeros and more": bytes(50_000) + id3(3000) + bytes(100),
}


@pytest.fixture(params=["Xing", "no Xing"])
def mp3(request: pytest.FixtureRequest, mux: Make, tone: Tone) -> Callable[[float, float], bytes]:
    def make(seconds: float, hertz: float) -> bytes:
        options = {"write_xing": str(int(request.param == "Xing")), "id3v2_version": "0"}
        waves = (0, tone(seconds, RATE, hertz))
        return mux("made.mp3", "mp3", ("libmp3lame", RATE, waves), options=options).read_bytes()

    return make


def decode_content(path: Path, content: bytes) -> tuple[np.ndarray, str | None]:
    path.write_bytes(content)
    with open_recording(path) as recording:
        wave = np.concatenate([np.zeros((0, recording.n_channels), np.float32), *recording.blocks()])
        return wave[:, 0], recording.shortfall


@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
def test_padding_after_an_mp3(tmp_path: Path, mp3: Callable[[float, float], bytes], padding: bytes) -> None:
    content = mp3(4, 440)
    whole, _ = decode_content(tmp_path / "a.mp3", content)
    wave, shortfall = decode_content(tmp_path / "a.mp3", content + padding)
    assert shortfall is None
    assert len(whole) <= len(wave) <= len(whole) + 1105, "what FFmpeg does not cut off, and nothing else"
    np.testing.assert_array_equal(wave[: len(whole)], whole)


@pytest.mark.parametrize("padding", [b"", *PADDINGS.values()], ids=["nothing", *PADDINGS])
def test_padding_between_joined_mp3s(tmp_path: Path, mp3: Callable[[float, float], bytes], padding: bytes) -> None:
    one, other = mp3(4, 440), mp3(3, 880)
    wave, shortfall = decode_content(tmp_path / "a.mp3", one + padding + other + padding)
    assert shortfall is None
    assert len(wave) / RATE == pytest.approx(7, abs=0.25)
    joined, _ = decode_content(tmp_path / "a.mp3", one + other)
    assert abs(len(wave) - len(joined)) <= 1105, "no frame is lost, and none is put in"
    loud = np.abs(wave[: len(wave) // 1600 * 1600].reshape(-1, 1600)).max(axis=1) > 0.3
    assert loud[1:69].sum() >= 67, "no more silence than at the seam"


@pytest.mark.parametrize("damage", [bytes(1500), picture(1500, 3)])
def test_damage_in_the_middle_of_an_mp3_is_reported(
    tmp_path: Path, mp3: Callable[[float, float], bytes], damage: bytes
) -> None:
    content = bytearray(mp3(6, 440))
    content[len(content) // 2 : len(content) // 2 + len(damage)] = damage
    wave, shortfall = decode_content(tmp_path / "a.mp3", bytes(content))
    assert shortfall is not None
    assert "cannot be decoded" in shortfall
    assert len(wave) / RATE > 5


def test_a_cut_mp3_is_reported_whatever_padding_follows(tmp_path: Path, mux: Make, tone: Tone) -> None:
    content = mux("a.mp3", "mp3", ("libmp3lame", RATE, (0, tone(4, RATE)))).read_bytes()
    for padding in PADDINGS.values():
        _, shortfall = decode_content(tmp_path / "a.mp3", content[: len(content) // 2] + padding)
        assert shortfall is not None
        assert "the header claims 4.00 s" in shortfall


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000])
def test_the_stated_duration_of_an_mp3(mux: Make, tone: Tone, rate: int) -> None:
    path = mux("a.mp3", "mp3", ("libmp3lame", rate, (0, tone(3.3, rate))))
    path.write_bytes(path.read_bytes() + bytes(30_000))
    assert read_header(path)[0] == pytest.approx(3.3, abs=1e-4)


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        (b"\xff\xfb\x90\x00" + bytes(32) + b"VBRI" + struct.pack(">HHHII", 1, 0, 0, 0, 500), 500 * 1152 / 44100),
        (b"\xff\xfb\x90\x00" + bytes(32) + b"Xing" + struct.pack(">II", 1, 500), 500 * 1152 / 44100),
        (b"\xff\xfb\x94\xc0" + bytes(17) + b"Info" + struct.pack(">II", 3, 500), 500 * 1152 / 48000),
        (b"\xff\xfa\x90\x00" + bytes(34) + b"Xing" + struct.pack(">II", 1, 500), 500 * 1152 / 44100),
        (b"\xff\xf3\x98\xc0" + bytes(9) + b"Xing" + struct.pack(">II", 1, 500), 500 * 576 / 16000),
        (b"\xff\xe3\x98\x00" + bytes(17) + b"Xing" + struct.pack(">II", 1, 500), 500 * 576 / 8000),
        (b"\xff\xfb\x90\x00" + bytes(32) + b"Xing" + struct.pack(">II", 2, 500), None),
        (b"\xff\xfb\x90\x00" + bytes(32) + b"Xing" + struct.pack(">II", 1, 0), None),
        (b"\xff\xfb\x90\x00" + bytes(32) + b"VBRI" + bytes(18), None),
        (b"\xff\xfb\x90\x00" + bytes(90) + b"Info about this", None),
        (b"\xff\xfb", None),
        (b"", None),
    ],
)
def test_a_first_frame(head: bytes, seconds: float | None) -> None:
    assert stated_duration_s(io.BytesIO(head.ljust(400, b"\0") if len(head) > 4 else head)) == seconds
    assert stated_duration_s(io.BytesIO(id3(300) + head)) == seconds


def test_implausible_tag_sizes_are_ignored() -> None:
    for is_header in (0, 1 << 29):
        wrong = b"APETAGEX" + struct.pack("<IIII", 2000, 5000, 1, is_header) + bytes(8)
        content = b"\xff" * 9000 + wrong + b"\xff" * 9000
        assert without_tags(io.BytesIO(content)).read() == content


@given(st.lists(st.tuples(st.integers(1, 3000), st.sampled_from([id3(50), ape(50), ape(70, header=False)]))))
def test_tags_are_cut_out_and_nothing_else(pieces: list[tuple[int, bytes]]) -> None:
    file = without_tags(io.BytesIO(b"".join(b"\xff" * n + tag for n, tag in pieces)))
    found = b""
    while part := file.read(4096):
        found += part
    assert found == b"\xff" * sum(n for n, _ in pieces)


@given(st.lists(st.sampled_from([ID3V1, LYRICS, bytes(3), bytes(900)])), st.binary(max_size=30))
def test_padding_before_a_frame(paddings: list[bytes], frame: bytes) -> None:
    padding = b"".join(paddings)
    assert padding_size(padding + b"\xff\xfb" + frame) == len(padding)
    assert padding_size(padding) == len(padding)
