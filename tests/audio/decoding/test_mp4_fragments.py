"""Fragmented MP4, and broadcasts that were taken down in pieces or with something behind them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.audio.decoding.mp4_fragments import first_time
from pcqtool.audio.decoding.recording import open_recording
from pcqtool.audio.reader import read_header

Make = Callable[..., Path]
Tone = Callable[..., np.ndarray]
DASH = {"movflags": "frag_keyframe+empty_moov+default_base_moof+delay_moov", "frag_duration": "1000000"}


def decoded(path: Path) -> tuple[np.ndarray, int, str | None]:
    with open_recording(path) as recording:
        wave = np.concatenate([np.zeros((0, recording.n_channels), np.float32), *recording.blocks()])
        return wave[:, 0], recording.sample_rate, recording.shortfall


def box(kind: bytes, *content: bytes) -> bytes:
    joined = b"".join(content)
    return struct.pack(">I", 8 + len(joined)) + kind + joined


def boxes(content: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4])
        found.append((content[at + 4 : at + 8], content[at : at + size]))
        at += size
    return found


def leave_out(content: bytes, first: int, n: int) -> bytes:
    """A fragmented MP4 without ``n`` of its fragments from ``first`` on, and without the index of all of them."""
    kept, number = b"", -1
    for kind, whole in boxes(content):
        number += kind == b"moof"
        if kind not in (b"moof", b"mdat") or not first <= number < first + n:
            kept += whole if kind not in (b"mfra", b"sidx") else b""
    return kept


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("n_missing", [1, 3])
def test_a_part_of_a_fragmented_file_has_its_own_duration(mux: Make, tone: Tone, rate: int, n_missing: int) -> None:
    path = mux("a.mp4", "mp4", ("aac", rate, (0, tone(6, rate))), options=DASH)
    content = path.read_bytes()
    assert decoded(path)[2] is None
    path.write_bytes(leave_out(content, 0, n_missing))
    wave, _, shortfall = decoded(path)
    assert shortfall is None
    assert len(wave) / rate == pytest.approx(6 - n_missing, abs=0.3)
    assert read_header(path)[0] == pytest.approx(len(wave) / rate, abs=0.1)
    path.write_bytes(path.read_bytes()[:-1500])
    _, _, shortfall = decoded(path)
    assert shortfall is not None, "a piece that is cut is told as before"


def test_a_part_whose_audio_starts_after_its_video(mux: Make, tone: Tone) -> None:
    path = mux("a.mp4", "mp4", ("aac", 48000, (2, tone(4, 48000))), video_s=6, options=DASH)
    claimed_s, _, _ = read_header(path)
    wave, rate, shortfall = decoded(path)
    assert shortfall is None
    assert len(wave) / rate == pytest.approx(6, abs=0.1)
    assert claimed_s == pytest.approx(6, abs=0.1)


def test_a_file_that_continues_in_fragments(mux: Make, tone: Tone) -> None:
    options = {"movflags": "frag_keyframe", "frag_duration": "1000000"}
    path = mux("a.mp4", "mp4", ("aac", 16000, (0, tone(4, 16000))), options=options)
    assert read_header(path)[0] == pytest.approx(4, abs=0.1)


@given(
    st.integers(0, 2**32 - 1), st.integers(0, 2**63), st.booleans(), st.integers(2, 9), st.sampled_from([b"", b"12"])
)
def test_the_first_fragment_of_a_track(short: int, long: int, is_long: bool, track: int, sound: bytes) -> None:
    def moof(number: int, time: bytes) -> bytes:
        return box(b"moof", box(b"mfhd", bytes(8)), box(b"traf", box(b"tfhd", struct.pack(">II", 0, number)), time))

    time = struct.pack(">IQ", 1 << 24, long) if is_long else struct.pack(">II", 0, short)
    later = moof(track, box(b"tfdt", struct.pack(">II", 0, 7)))
    other = moof(1, box(b"tfdt", struct.pack(">II", 0, 5)))
    beginning = box(b"ftyp", b"iso6") + box(b"mdat", sound)
    file = io.BytesIO(beginning + other + box(b"mdat", b"12345") + moof(track, box(b"tfdt", time)) + later)
    file.seek(3)
    assert first_time(file, track) == (0 if sound else long if is_long else short)
    assert first_time(file, 10) == 0
    assert file.tell() == 3


@given(st.binary(max_size=200))
def test_damaged_boxes_state_nothing(content: bytes) -> None:
    assert first_time(io.BytesIO(content), 1) == 0


@pytest.mark.parametrize("codec", ["aac", "mp2"])
@pytest.mark.parametrize("n_zeros", [100, 188, 1000, 5000, 70_000, 300_000])
def test_zeros_after_a_broadcast(mux: Make, tone: Tone, codec: str, n_zeros: int) -> None:
    path = mux("a.ts", "mpegts", (codec, 48000, (0, tone(3, 48000))))
    whole, _, _ = decoded(path)
    path.write_bytes(path.read_bytes() + bytes(n_zeros))
    wave, _, shortfall = decoded(path)
    assert shortfall is None
    np.testing.assert_array_equal(wave, whole)


def test_a_broadcast_continues_after_an_unreadable_stretch(mux: Make, tone: Tone) -> None:
    path = mux("a.ts", "mpegts", ("mp2", 48000, (0, tone(20, 48000))))
    content = bytearray(path.read_bytes())
    content[100_000:300_000] = bytes(200_000)
    path.write_bytes(content)
    wave, rate, shortfall = decoded(path)
    assert shortfall is not None
    assert len(wave) / rate == pytest.approx(20, abs=0.1)
    assert np.abs(wave[-rate:]).max() == pytest.approx(0.5, abs=0.05)


def test_two_broadcasts_with_garbage_between_them(mux: Make, tone: Tone) -> None:
    path = mux("a.ts", "mpegts", ("mp2", 48000, (0, tone(3, 48000))))
    path.write_bytes(path.read_bytes() + bytes(200_000) + path.read_bytes())
    wave, rate, shortfall = decoded(path)
    assert shortfall == "a stretch in the middle of the file cannot be read"
    assert len(wave) / rate == pytest.approx(6, abs=0.15)
