from __future__ import annotations

import numpy as np
import pytest

from pcqtool.audio.channels import ChannelMix, check_channel_mode, mixes_for
from pcqtool.errors import AudioError, SettingsError


@pytest.mark.parametrize("mode", ["auto", "mix", "split", "0", "11"])
def test_modes(mode: str) -> None:
    assert check_channel_mode(mode) == mode


@pytest.mark.parametrize("mode", ["", "-1", "left", "1.5", "²", "Mix"])
def test_invalid_modes(mode: str) -> None:
    with pytest.raises(SettingsError, match="channels cannot be"):
        check_channel_mode(mode)


@pytest.mark.parametrize(
    ("mode", "n_channels", "names"),
    [
        ("auto", 1, ["0"]),
        ("mix", 1, ["0"]),
        ("split", 1, ["0"]),
        ("0", 1, ["0"]),
        ("mix", 2, ["mix"]),
        ("split", 2, ["0", "1"]),
        ("1", 2, ["1"]),
        ("auto", 9, ["mix"]),
        ("split", 9, list("012345678")),
        ("08", 9, ["8"]),
    ],
)
def test_names(mode: str, n_channels: int, names: list[str]) -> None:
    assert [mix.name for mix in mixes_for(mode, n_channels)] == names


def test_a_channel_that_is_not_there() -> None:
    with pytest.raises(AudioError, match="no channel 2: it has 2"):
        mixes_for("2", 2)


def test_mixing_is_the_mean_and_leaves_the_block_alone() -> None:
    block = np.arange(12, dtype=np.float32).reshape(4, 3)
    before = block.copy()
    np.testing.assert_allclose(ChannelMix("mix", (0, 1, 2)).mix(block), block.mean(axis=1))
    np.testing.assert_array_equal(ChannelMix("1", (1,)).mix(block), before[:, 1])
    np.testing.assert_array_equal(block, before)
    np.testing.assert_array_equal(ChannelMix("mix", (0, 1)).mix(block[:, [0, 0]]), block[:, 0])
