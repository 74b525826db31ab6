from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.audio.resample import resample


def run(wave: np.ndarray, rate: int, sizes: list[int]) -> np.ndarray:
    cuts = np.cumsum(sizes)
    return np.concatenate(
        [np.zeros((0, wave.shape[1]), np.float32), *resample(np.split(wave, cuts), rate, wave.shape[1])]
    )


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([6000, 8000, 11025, 16000, 22050, 44100, 48000, 96000]),
    st.integers(0, 9000),
    st.lists(st.integers(0, 3000), max_size=6),
)
def test_length_is_right_and_blocks_do_not_matter(rate: int, n: int, sizes: list[int]) -> None:
    wave = np.random.default_rng(n).standard_normal((n, 2)).astype(np.float32)
    whole = run(wave, rate, [])
    assert abs(len(whole) - round(n * 16000 / rate)) <= 1
    assert (len(whole) > 0) == (n > 0)
    np.testing.assert_array_equal(run(wave, rate, sizes), whole)


def test_16_khz_passes_through(sound: Callable[..., np.ndarray]) -> None:
    wave = sound(1, 16000, 2)
    np.testing.assert_array_equal(run(wave, 16000, [100, 7]), wave)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_a_tone_keeps_its_pitch_place_and_level(rate: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    wanted = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    got = run(tone.astype(np.float32)[:, None], rate, [rate // 3])[:, 0]
    np.testing.assert_allclose(got[500:-500], wanted[500:-500], atol=1e-4)


def test_channels_are_resampled_each_as_if_alone(sound: Callable[..., np.ndarray]) -> None:
    wave = sound(0.5, 44100, 3)
    together = run(wave, 44100, [])
    for channel in range(3):
        np.testing.assert_array_equal(run(wave[:, [channel]], 44100, [])[:, 0], together[:, channel])


def test_frequencies_above_8_khz_are_removed() -> None:
    tone = np.sin(2 * np.pi * 12000 * np.arange(48000) / 48000).astype(np.float32)[:, None]
    assert np.abs(run(tone, 48000, [])[500:-500]).max() < 1e-4
