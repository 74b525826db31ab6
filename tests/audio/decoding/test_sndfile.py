from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pcqtool.audio.decoding.sndfile import SndfileDecoder, claimed_frames, is_placeholder

Make = Callable[..., Path]


@pytest.mark.parametrize(
    "size", [0, 0x7F000000, 0x7F000036, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFF - 36]
)
def test_placeholder_sizes_of_streaming_writers(size: int) -> None:
    assert is_placeholder(size)


@pytest.mark.parametrize("size", [1, 320_000, 0x7FFFEFFF, 0x80000001, 0xC0000000])
def test_real_sizes(size: int) -> None:
    assert not is_placeholder(size)


def test_claims() -> None:
    assert claimed_frames(100, "data : 200\n") == 100
    assert claimed_frames(50, "data : 200 (should be 100)\n") == 100
    assert claimed_frames(0, "data : 200 (should be 0)\n") is None
    assert claimed_frames(50, "data : 4294967295 (should be 100)\n") is None
    assert claimed_frames(50, "RIFF : 200 (should be 100)\ndata : 100\n") == 50, "only the data's size counts"
    assert claimed_frames(2**63 - 1, "") is None


@pytest.mark.parametrize(
    ("format_", "subtype"),
    [("OGG", "VORBIS"), ("OGG", "OPUS"), ("FLAC", "PCM_16"), ("WAV", "GSM610")],
)
def test_block_size_does_not_change_what_is_decoded(
    sound: Callable[..., np.ndarray], write: Make, format_: str, subtype: str
) -> None:
    # soundfile by itself seeks after each block, which spoils Opus
    path = write("a", sound(3, 8000), 8000, format_, subtype)
    decoded = []
    for n_frames in (10**6, 5000, 999):
        with path.open("rb") as file:
            decoder = SndfileDecoder(file)
            decoded.append(np.concatenate([block.copy() for block in decoder.blocks(n_frames)]))
            decoder.close()
    assert 24000 <= len(decoded[0]) <= 24320
    np.testing.assert_array_equal(decoded[1], decoded[0])
    np.testing.assert_array_equal(decoded[2], decoded[0])
