from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pcqtool.audio.decoding import flac
from pcqtool.audio.decoding.flac import find_frames, first_frame
from pcqtool.audio.decoding.recording import open_recording
from pcqtool.audio.reader import ReaderOptions, SegmentReader, load_waveform

Make = Callable[..., Path]
Sound = Callable[..., np.ndarray]


def decoded(path: Path) -> tuple[np.ndarray, str | None, str | None]:
    with open_recording(path) as recording:
        wave = np.concatenate([np.zeros((0, recording.n_channels), np.float32), *recording.blocks(1.0)])
        return wave, recording.shortfall, recording.note


@pytest.mark.parametrize("n", [2, 3])
def test_joined_files(sound: Sound, write: Make, tmp_path: Path, n: int) -> None:
    parts = [write(f"{seed}", sound(3 + seed, seed=seed), 16000, "FLAC") for seed in range(n)]
    (tmp_path / "all").write_bytes(b"".join(part.read_bytes() for part in parts))
    wave, shortfall, _ = decoded(tmp_path / "all")
    assert shortfall is None
    np.testing.assert_array_equal(wave, np.concatenate([decoded(part)[0] for part in parts]))


def test_a_joined_file_at_another_rate_or_damaged_is_reported(sound: Sound, write: Make) -> None:
    one, other = write("a", sound(3), 16000, "FLAC"), write("b", sound(3, 8000), 8000, "FLAC")
    content = one.read_bytes()
    one.write_bytes(content + other.read_bytes())
    wave, shortfall, _ = decoded(one)
    assert (len(wave), shortfall) == (48_000, "part 2 of 2: the audio changes to 8000 Hz, 1 channel(s)")
    one.write_bytes(content + content[:50] + bytes(5000))
    wave, shortfall, _ = decoded(one)
    assert len(wave) == 48_000
    assert shortfall is not None


@pytest.mark.parametrize("counted_s", [2, 2.5, 9])
def test_a_count_that_is_too_small(sound: Sound, write: Make, counted_s: float) -> None:
    path = write("a", sound(10, 16000, 2), 16000, "FLAC")
    whole, _, _ = decoded(path)
    content = bytearray(path.read_bytes())
    count = int.from_bytes(content[18:26], "big")
    assert count & (1 << 36) - 1 == 160_000
    content[18:26] = (count - 160_000 + round(counted_s * 16000)).to_bytes(8, "big")
    path.write_bytes(content)
    wave, shortfall, _ = decoded(path)
    assert shortfall is None
    np.testing.assert_array_equal(wave, whole)


@pytest.mark.parametrize("behind", [b"TAG" + bytes(125), b"APETAGEX" + b"cover" * 20_000, bytes(100_000)])
def test_bytes_after_the_audio_are_not_audio(sound: Sound, write: Make, behind: bytes) -> None:
    path = write("a", sound(4), 16000, "FLAC")
    whole, _, _ = decoded(path)
    path.write_bytes(path.read_bytes() + behind)
    wave, shortfall, note = decoded(path)
    assert (shortfall, note) == (None, None)
    np.testing.assert_array_equal(wave, whole)


@pytest.mark.parametrize("at", [20, 60, 93, 99, 100, 101, 107])
def test_signatures_are_found_wherever_chunks_end(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    monkeypatch.setattr(flac, "_CHUNK", 100)
    beginning = b"fLaC\x00\x00\x00\x22"
    content = beginning + bytes(at - 8) + beginning + bytes(150)
    assert flac.next_signature(io.BytesIO(content), 8) == at
    assert flac.next_signature(io.BytesIO(content), at) == at
    assert flac.next_signature(io.BytesIO(content), at + 1) is None


LENGTHS = [2, 3, 3.002, 10, 25]  # seconds; blocks are of 10 s


def states(path: Path, n_samples: int) -> bytes:
    """A FLAC file's content, with another count of samples in its header."""
    content = path.read_bytes()
    kept = int.from_bytes(content[18:26], "big") >> 36 << 36
    return content[:18] + (kept | n_samples).to_bytes(8, "big") + content[26:]


def check(path: Path, wanted: np.ndarray) -> None:
    """All that reads recordings gives these samples, without complaint."""
    np.testing.assert_array_equal(load_waveform(path), wanted)
    reader = SegmentReader(path, ReaderOptions(vad=False))
    for _ in reader:
        pass
    assert (round(reader.info.duration_s * 16000), reader.info.shortfall) == (len(wanted), None)


@pytest.mark.parametrize("seconds", LENGTHS)
@pytest.mark.parametrize("behind", [b"\0", b"TAG" + b"0" * 125, b"APETAGEX" + b"cover" * 20_000])
def test_bytes_after_audio_of_any_length(sound: Sound, write: Make, seconds: float, behind: bytes) -> None:
    path = write("a", sound(seconds), 16000, "FLAC")
    wanted = load_waveform(path)
    path.write_bytes(path.read_bytes() + behind)
    check(path, wanted)


@pytest.mark.parametrize("seconds", LENGTHS)
def test_joined_files_of_any_length(sound: Sound, write: Make, seconds: float) -> None:
    path = write("a", sound(seconds), 16000, "FLAC")
    wanted = load_waveform(path)
    path.write_bytes(path.read_bytes() * 2)
    check(path, np.concatenate([wanted, wanted]))


def test_joined_files_that_state_no_count(sound: Sound, write: Make) -> None:
    path = write("a", sound(3.002), 16000, "FLAC")
    wanted = load_waveform(path)
    path.write_bytes(states(path, 0) * 3)
    check(path, np.tile(wanted, 3))


@pytest.mark.parametrize("seconds", LENGTHS)
@pytest.mark.parametrize("counted", [1, 1000, 4096, 0.5, 0.999])
@pytest.mark.parametrize("behind", [b"", b"TAG" + b"0" * 125])
def test_any_count_that_is_too_small(sound: Sound, write: Make, seconds: float, counted: float, behind: bytes) -> None:
    path = write("a", sound(seconds), 16000, "FLAC")
    wanted = load_waveform(path)
    n_counted = round(counted * len(wanted)) if counted < 1 else round(counted)
    path.write_bytes(states(path, n_counted) + behind)
    check(path, wanted)


@pytest.mark.parametrize("counted", [0, 1000])
def test_damage_after_a_count_that_is_too_small_is_reported(sound: Sound, write: Make, counted: int) -> None:
    path = write("a", sound(6), 16000, "FLAC")
    content = states(path, counted)
    path.write_bytes(content[: len(content) // 2] + bytes(1000) + content[len(content) // 2 + 1000 :])
    wave, shortfall, _ = decoded(path)
    assert len(wave) > 1000
    assert shortfall is not None
    assert "the decoder stopped" in shortfall


def test_a_cut_part_is_reported_and_the_next_is_decoded(sound: Sound, write: Make) -> None:
    path = write("a", sound(6), 16000, "FLAC")
    whole, _, _ = decoded(path)
    content = path.read_bytes()
    cut = list(find_frames(io.BytesIO(content), 42, len(content)))[10]
    path.write_bytes(content[: cut.at] + content)
    wave, shortfall, note = decoded(path)
    np.testing.assert_array_equal(wave, np.concatenate([whole[: cut.start], whole]))
    assert note == "2 recordings, joined"
    assert shortfall is not None
    assert shortfall.startswith("part 1 of 2: ")


@pytest.mark.parametrize("rate", [16000, 44100, 12345])
def test_frames_follow_one_another_to_the_end(sound: Sound, write: Make, rate: int) -> None:
    wave = sound(700_000 / rate, rate)
    path = write("a", wave, rate, "FLAC")
    with path.open("rb") as file:
        size = path.stat().st_size
        found = list(find_frames(file, 42, size))
        assert first_frame(file, size) == found[0]
    assert len({frame.kind for frame in found}) == 1
    assert len(found) > 128, "their numbers take more than one byte"
    assert [frame.start for frame in found] == [0, *(frame.end for frame in found[:-1])]
    assert found[-1].end == len(wave)


@pytest.mark.parametrize("behind", [b"", b"TAG" + b"0" * 125])
def test_audio_that_was_cut_out_of_another_file(sound: Sound, write: Make, behind: bytes) -> None:
    path = write("a", sound(6.1), 16000, "FLAC")
    wanted = load_waveform(path)
    content = path.read_bytes()
    first, _, third, *_, last = find_frames(io.BytesIO(content), 42, len(content))
    part = content[: first.at] + content[third.at :]
    found = first_frame(io.BytesIO(part), len(part))
    assert found is not None
    assert found.start == third.start
    path.write_bytes(part + behind)
    check(path, wanted[third.start :])
    path.write_bytes(content[: first.at] + content[third.at : last.at])
    assert decoded(path)[1] is not None, "its end is missing"


def test_bytes_that_look_like_a_frame_after_the_audio(sound: Sound, write: Make) -> None:
    path, other = write("a", sound(3.002), 16000, "FLAC"), write("b", sound(9, 8000), 8000, "FLAC")
    wanted = load_waveform(path)
    content = other.read_bytes()
    *_, last = find_frames(io.BytesIO(content), 42, len(content))
    assert last.end > len(wanted)
    path.write_bytes(path.read_bytes() + b"APETAGEX" + content[last.at : last.at + 100])
    check(path, wanted)
