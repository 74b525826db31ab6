"""Audio that a header does not count is decoded; bytes that are not audio are not."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.audio.decoding.recording import open_recording
from pcqtool.audio.reader import read_header

Make = Callable[..., Path]
Sound = Callable[..., np.ndarray]

# format, subtype, endianness, where the size of the sound is found, how it is written
HEADERS = [
    ("WAV", "PCM_16", "FILE", b"data", "<I"),
    ("WAV", "PCM_24", "FILE", b"data", "<I"),
    ("WAV", "FLOAT", "FILE", b"data", "<I"),
    ("WAV", "ULAW", "FILE", b"data", "<I"),
    ("WAV", "GSM610", "FILE", b"data", "<I"),
    ("WAV", "IMA_ADPCM", "FILE", b"data", "<I"),
    ("WAV", "PCM_16", "BIG", b"data", ">I"),
    ("WAVEX", "PCM_16", "FILE", b"data", "<I"),
    ("RF64", "PCM_16", "FILE", b"ds64", "<Q"),
    ("W64", "PCM_16", "FILE", b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", "<Q"),
    ("W64", "ALAW", "FILE", b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", "<Q"),
    ("AIFF", "PCM_16", "FILE", b"SSND", ">I"),
    ("AIFF", "ULAW", "FILE", b"SSND", ">I"),
    ("AIFF", "PCM_16", "LITTLE", b"SSND", ">I"),
    ("CAF", "PCM_16", "FILE", b"data", ">Q"),
    ("AU", "PCM_16", "FILE", b".snd", ">I"),
    ("AU", "ULAW", "FILE", b".snd", ">I"),
    ("AU", "PCM_16", "LITTLE", b"dns.", "<I"),
]


def decoded(path: Path) -> tuple[np.ndarray, str | None, str | None]:
    with open_recording(path) as recording:
        wave = np.concatenate([np.zeros((0, recording.n_channels), np.float32), *recording.blocks()])
        return wave, recording.shortfall, recording.note


def size_field(content: bytes, name: bytes) -> int:
    """Return the position of the audio chunk's size."""
    gap = {b"ds64": 8 + 8, b".snd": 8, b"dns.": 8}.get(name, len(name))
    return content.index(name) + gap


@pytest.mark.parametrize(("format_", "subtype", "endian", "name", "size"), HEADERS)
def test_a_header_that_counts_less(
    sound: Sound, tmp_path: Path, format_: str, subtype: str, endian: str, name: bytes, size: str
) -> None:
    path = tmp_path / "a"
    soundfile.write(path, sound(8, 8000, 2 if subtype != "GSM610" else None), 8000, subtype, endian, format_)
    whole, shortfall, note = decoded(path)
    assert (shortfall, note) == (None, None)
    content = bytearray(path.read_bytes())
    at = size_field(content, name)
    (counted,) = struct.unpack_from(size, content, at)
    assert 8000 < counted <= len(content)
    struct.pack_into(size, content, at, counted // 8 // 1024 * 1024)
    path.write_bytes(content)
    found, shortfall, note = decoded(path)
    assert shortfall is None
    assert note is not None
    assert note.startswith("the header counts")
    assert len(found) >= len(whole)
    np.testing.assert_array_equal(found[: len(whole)], whole)
    assert len(found) - len(whole) < 1024, "a block at most"
    claimed_s, n_channels, rate = read_header(path)
    assert (n_channels, rate) == (whole.shape[1], 8000)
    if format_ != "AU":
        assert claimed_s == pytest.approx(len(whole) / 8000, abs=0.15)


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


LIST = chunk(b"LIST", b"INFOISFT" + struct.pack("<I", 6) + b"tests\0")
TAG = b"ID3\x03\0\0\0\0\x10\0" + bytes(2048)
NO_SOUND = {
    "nothing": b"",
    "LIST": LIST,
    "id3": chunk(b"id3 ", TAG),
    "bext and cue": chunk(b"bext", b"x" * 6001) + chunk(b"cue ", b"y" * 28),
    "an unknown chunk": chunk(b"PqR7", np.random.default_rng(0).bytes(50_000)),
    "a cut LIST": chunk(b"LIST", b"z" * 20_000)[:9000],
    "ID3v1": b"TAG" + b"t" * 125,
    "ID3v2": TAG,
    "a little padding": bytes(700),
    "much padding": bytes(60_000),
    "LIST and padding": LIST + bytes(4096),
    "some stray bytes": np.random.default_rng(0).bytes(900),
}


@pytest.mark.parametrize("what", NO_SOUND)
@pytest.mark.parametrize("odd", [0, 1])
def test_bytes_after_the_audio_are_not_audio(sound: Sound, write: Make, what: str, odd: int) -> None:
    path = write("a.wav", sound(2)[: 16000 + odd], 16000, "WAV", "PCM_U8")
    whole, _, _ = decoded(path)
    content = path.read_bytes()
    assert len(content) % 2 == 0
    for n_filling in {0, odd}:  # some writers leave out the byte that fills a chunk up
        path.write_bytes(content[: len(content) - n_filling] + NO_SOUND[what])
        found, shortfall, note = decoded(path)
        assert (shortfall, note) == (None, None)
        np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("behind", [b"", LIST, LIST + chunk(b"bext", b"x" * 700)])
def test_chunks_after_uncounted_audio_are_not_decoded(sound: Sound, write: Make, behind: bytes) -> None:
    path = write("a.wav", sound(5))
    whole, _, _ = decoded(path)
    content = bytearray(path.read_bytes() + behind)
    struct.pack_into("<I", content, 40, 32_000)
    path.write_bytes(content)
    found, shortfall, note = decoded(path)
    assert (shortfall, note) == (None, "the header counts 32000 of 160000 bytes of audio")
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("between", [b"", LIST])
@pytest.mark.parametrize("n", [2, 3])
def test_several_audio_chunks(sound: Sound, write: Make, between: bytes, n: int) -> None:
    path = write("a.wav", sound(6))
    whole, _, _ = decoded(path)
    content = path.read_bytes()
    parts = np.array_split(np.frombuffer(content[44:], np.int16), n)
    chunks = between.join(chunk(b"data", part.tobytes()) for part in parts)
    path.write_bytes(content[:36] + chunks + LIST)
    found, shortfall, note = decoded(path)
    assert (shortfall, note) == (None, f"the header counts {192_000 // n} of 192000 bytes of audio")
    np.testing.assert_array_equal(found, whole)


def test_an_empty_audio_chunk_before_another(sound: Sound, write: Make) -> None:
    path = write("a.wav", sound(2))
    whole, _, _ = decoded(path)
    content = path.read_bytes()
    path.write_bytes(content[:36] + chunk(b"data", b"") + content[36:])
    found, shortfall, _ = decoded(path)
    assert shortfall is None
    np.testing.assert_array_equal(found, whole)


def test_two_audio_chunks_in_an_aiff(sound: Sound, write: Make) -> None:
    path = write("a.aiff", sound(3), 16000, "AIFF")
    whole, _, _ = decoded(path)
    content = path.read_bytes()
    at = content.index(b"SSND")
    half = content[at + 16 : at + 16 + 48_000]
    ssnd = [b"SSND" + struct.pack(">III", 8 + 48_000, 0, 0) + part for part in (half, content[at + 16 + 48_000 :])]
    path.write_bytes(content[:at] + b"".join(ssnd))
    found, shortfall, _ = decoded(path)
    assert shortfall is None
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("behind", [b"", LIST, b"\0"])
def test_a_size_that_was_too_large_for_32_bits(tmp_path: Path, sound: Sound, write: Make, behind: bytes) -> None:
    n_bytes = 4_301_000_000
    small = write("a.wav", sound(2))
    header, last = bytearray(small.read_bytes()[:44]), small.read_bytes()[44:]
    struct.pack_into("<I", header, 40, n_bytes % 2**32)
    path = tmp_path / "large.wav"
    with path.open("wb") as file:  # zeros that take no room on the disk
        file.write(header)
        file.truncate(44 + n_bytes - len(last))
        file.seek(44 + n_bytes - len(last))
        file.write(last + behind)
    assert read_header(path)[0] == n_bytes / 32_000
    with open_recording(path) as recording:
        assert recording.note == f"the header counts {n_bytes % 2**32} of {n_bytes} bytes of audio"
        assert recording.seek(n_bytes // 2 - 16_000)
        found = np.concatenate(list(recording.blocks()))
        assert recording.shortfall is None
    np.testing.assert_array_equal(found, decoded(small)[0][-16_000:])


def test_an_unknown_size_does_not_end_at_4_gib(tmp_path: Path, sound: Sound, write: Make) -> None:
    header = bytearray(write("a.wav", sound(1)).read_bytes()[:44])
    struct.pack_into("<I", header, 40, 0xFFFFFFFF)
    with (tmp_path / "large.wav").open("wb") as file:
        file.write(header)
        file.truncate(44 + 4_400_000_000)
    assert read_header(tmp_path / "large.wav")[0] == 4_400_000_000 / 32_000


def test_an_aiff_beyond_4_gib_is_reported(tmp_path: Path, sound: Sound, write: Make) -> None:
    content = bytearray(write("a.aiff", sound(1), 16000, "AIFF").read_bytes())
    at = content.index(b"SSND")
    path = tmp_path / "large.aiff"
    with path.open("wb") as file:
        file.write(content[: at + 16])
        file.truncate(at + 16 + 4_300_000_000)
    with open_recording(path) as recording:
        assert recording.claimed_s == pytest.approx(4_294_967_000 / 32_000, abs=1)
        assert recording.seek(2_147_000_000)
        list(recording.blocks())
        assert recording.shortfall is not None
        assert "5032" in recording.shortfall
        assert "bytes of audio cannot be read" in recording.shortfall


@pytest.mark.parametrize("behind", [b"", LIST])
@pytest.mark.parametrize(("format_", "subtype"), [("WAV", "PCM_16"), ("WAV", "GSM610"), ("AIFF", "PCM_16")])
def test_joined_recordings(
    sound: Sound, write: Make, tmp_path: Path, behind: bytes, format_: str, subtype: str
) -> None:
    parts = [write(f"{n}", sound(n, 8000, seed=n), 8000, format_, subtype) for n in (3, 2, 1)]
    if format_ == "AIFF":
        behind = b""
    for part in parts:
        part.write_bytes(part.read_bytes() + behind)
    (tmp_path / "all").write_bytes(b"".join(part.read_bytes() for part in parts))
    found, shortfall, note = decoded(tmp_path / "all")
    assert (shortfall, note) == (None, "3 recordings, joined")
    np.testing.assert_array_equal(found, np.concatenate([decoded(part)[0] for part in parts]))


def test_a_joined_recording_that_is_cut_is_reported(sound: Sound, write: Make) -> None:
    path = write("a", sound(3, 8000), 8000)
    content = path.read_bytes()
    path.write_bytes(content + content[:-16_000])
    found, shortfall, _ = decoded(path)
    assert len(found) == 5 * 8000
    assert shortfall == "part 2 of 2: the header claims 3.00 s, 2.00 s could be read"


@settings(max_examples=50, deadline=None)
@given(st.integers(1024, 60_000), st.integers(2_000, 40_000))
def test_all_audio_is_decoded_at_any_count(tmp_path_factory: pytest.TempPathFactory, counted: int, n: int) -> None:
    path = tmp_path_factory.mktemp("a") / "a.wav"
    wave = np.random.default_rng(n).integers(-30_000, 30_000, n).astype(np.int16)
    soundfile.write(path, wave, 8000)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 40, counted // 2 * 2)
    path.write_bytes(content)
    found, shortfall, note = decoded(path)
    left = 2 * n - counted // 2 * 2
    if left > 1024:
        assert (shortfall, len(found)) == (None, n)
        assert note is not None
    else:
        assert note is None
        assert len(found) == min(n, counted // 2)
        assert (shortfall is not None) == (-left > 0.1 * 16000)


BEFORE = [(header, b"") for header in HEADERS] + [
    (header, before)
    for header in HEADERS
    if header[0].startswith("WAV") and header[2] == "FILE"
    for before in (chunk(b"LIST", b"INFOISFT" + bytes(18)), chunk(b"bext", bytes(603)))
]


@pytest.mark.parametrize(("header", "before"), BEFORE)
def test_a_size_that_was_never_filled_in(
    sound: Sound, tmp_path: Path, header: tuple[str, str, str, bytes, str], before: bytes
) -> None:
    format_, subtype, endian, name, size = header
    path = tmp_path / "a"
    soundfile.write(path, sound(2.0), 16000, format=format_, subtype=subtype, endian=endian)
    whole, *_ = decoded(path)
    content = bytearray(path.read_bytes())
    struct.pack_into(size, content, size_field(content, name), 0)
    if before:
        at = content.index(b"data")
        content[at:at] = before
    path.write_bytes(content)
    wave, shortfall, note = decoded(path)
    assert (shortfall, note) == (None, None)
    np.testing.assert_array_equal(wave[: len(whole)], whole)
    assert len(wave) - len(whole) < 600, "what fills up the last block of a codec"


def test_a_recording_without_audio_stays_empty(write: Make) -> None:
    path = write("a.wav", np.zeros(0, np.float32))
    path.write_bytes(path.read_bytes() + chunk(b"LIST", b"INFOISFT" + bytes(18)))
    wave, shortfall, note = decoded(path)
    assert (len(wave), shortfall, note) == (0, None, None)
