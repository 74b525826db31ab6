from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.audio.loudness import SilenceDetector, peak_frame_rms


def test_the_loudest_tenth_of_a_second_counts_without_its_constant_part() -> None:
    block = np.zeros((8000, 3), np.float32)
    block[:, 1] = 0.7
    block[2400:3200, 2] = 0.1 * np.tile((1, -1), 400)
    np.testing.assert_allclose(peak_frame_rms(block, 8000), (0, 0, 0.1), atol=1e-6)
    assert peak_frame_rms(block[:0], 8000).tolist() == [0, 0, 0]


def test_the_last_samples_count_too() -> None:
    block = np.zeros((8100, 1), np.float32)
    block[-50:, 0] = 0.5 * np.tile((1, -1), 25)
    assert peak_frame_rms(block, 8000)[0] > 0.1


@given(st.lists(st.integers(1, 5000), max_size=6))
def test_silent_seconds_do_not_depend_on_blocks(sizes: list[int]) -> None:
    wave = np.zeros((3500, 2), np.float32)
    wave[:, 1] = 0.25
    wave[1200:1300, 0] = wave[3100:3200, 1] = 0.1 * np.tile((1, -1), 50)
    silence = SilenceDetector(1000)
    for block in np.split(wave, np.cumsum(sizes)):
        silence.add(block)
    assert silence.seconds == {(0, 0), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)}


@pytest.mark.parametrize(
    ("wave", "description"),
    [
        (np.zeros(900), "nothing but silence"),
        (np.full(900, -0.25), "nothing but a constant"),
        (np.tile((1e-5, -1e-5), 450), "nothing above -80 dB full scale"),
    ],
)
def test_descriptions_of_silence(wave: np.ndarray, description: str) -> None:
    silence = SilenceDetector(1000)
    for block in np.split(wave.astype(np.float32)[:, None], 3):
        silence.add(block)
    assert silence.seconds == {(0, 0)}
    assert silence.description == description
