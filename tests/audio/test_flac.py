from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pcqtool.audio import flac
from pcqtool.audio.decode import open_recording

Make = Callable[..., Path]
Sound = Callable[..., np.ndarray]


def heard(path: Path) -> tuple[np.ndarray, str | None, str | None]:
    with open_recording(path) as recording:
        wave = np.concatenate([np.zeros((0, recording.n_channels), np.float32), *recording.blocks(1.0)])
        return wave, recording.shortfall, recording.note


@pytest.mark.parametrize("n", [2, 3])
def test_joined_files(sound: Sound, write: Make, tmp_path: Path, n: int) -> None:
    parts = [write(f"{seed}", sound(3 + seed, seed=seed), 16000, "FLAC") for seed in range(n)]
    (tmp_path / "all").write_bytes(b"".join(part.read_bytes() for part in parts))
    wave, shortfall, _ = heard(tmp_path / "all")
    assert shortfall is None
    np.testing.assert_array_equal(wave, np.concatenate([heard(part)[0] for part in parts]))


def test_a_joined_file_at_another_rate_or_damaged_is_told(sound: Sound, write: Make) -> None:
    one, other = write("a", sound(3), 16000, "FLAC"), write("b", sound(3, 8000), 8000, "FLAC")
    content = one.read_bytes()
    one.write_bytes(content + other.read_bytes())
    wave, shortfall, _ = heard(one)
    assert (len(wave), shortfall) == (48_000, "the sound changes to 8000 Hz, 1 channel(s)")
    one.write_bytes(content + content[:50] + bytes(5000))
    wave, shortfall, _ = heard(one)
    assert len(wave) == 48_000
    assert shortfall is not None


@pytest.mark.parametrize("counted_s", [2, 2.5, 9])
def test_a_count_that_is_too_small(sound: Sound, write: Make, counted_s: float) -> None:
    path = write("a", sound(10, 16000, 2), 16000, "FLAC")
    whole, _, _ = heard(path)
    content = bytearray(path.read_bytes())
    count = int.from_bytes(content[18:26], "big")
    assert count & (1 << 36) - 1 == 160_000
    content[18:26] = (count - 160_000 + round(counted_s * 16000)).to_bytes(8, "big")
    path.write_bytes(content)
    wave, shortfall, _ = heard(path)
    assert shortfall is None
    np.testing.assert_array_equal(wave, whole)


@pytest.mark.parametrize("behind", [b"TAG" + bytes(125), b"APETAGEX" + b"cover" * 20_000, bytes(100_000)])
def test_what_stands_behind_the_sound_and_is_none(sound: Sound, write: Make, behind: bytes) -> None:
    path = write("a", sound(4), 16000, "FLAC")
    whole, _, _ = heard(path)
    path.write_bytes(path.read_bytes() + behind)
    wave, shortfall, note = heard(path)
    assert (shortfall, note) == (None, None)
    np.testing.assert_array_equal(wave, whole)


@pytest.mark.parametrize("at", [20, 60, 93, 99, 100, 101, 107])
def test_beginnings_are_found_wherever_chunks_end(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    monkeypatch.setattr(flac, "_CHUNK", 100)
    beginning = b"fLaC\x00\x00\x00\x22"
    content = beginning + bytes(at - 8) + beginning + bytes(150)
    assert flac.next_beginning(io.BytesIO(content), 8) == at
    assert flac.next_beginning(io.BytesIO(content), at) == at
    assert flac.next_beginning(io.BytesIO(content), at + 1) is None
