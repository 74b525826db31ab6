from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.audio import stereo as survey_module
from pcqtool.audio.channels import Hearing
from pcqtool.audio.stereo import SAME, StereoStats, survey

Sound = Callable[..., np.ndarray]


def shifted(wave: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate((np.zeros(n, np.float32), wave[: len(wave) - n]))


def through_codec(wave: np.ndarray, format_: str, subtype: str, folder: Path) -> np.ndarray:
    soundfile.write(folder / "coded", wave, 8000, format=format_, subtype=subtype)
    return soundfile.read(folder / "coded", dtype="float32")[0]


def names(pair: np.ndarray, rate: int = 8000) -> list[str]:
    judge = StereoStats(rate)
    for block in np.array_split(pair, 3):
        judge.listen(block)
        judge.compare(block)
    return [track.name for track in judge.apart().tracks]


@pytest.fixture
def agent(sound: Sound) -> np.ndarray:
    return sound(6, 8000, seed=1)


@pytest.fixture
def customer(sound: Sound) -> np.ndarray:
    return sound(6, 8000, seed=2)


def test_a_call_is_split(agent: np.ndarray, customer: np.ndarray) -> None:
    assert names(np.stack((agent, customer), 1)) == ["0", "1"]
    assert names(np.stack((agent + 0.3 * customer, customer + 0.3 * agent), 1)) == ["0", "1"], "crosstalk"
    assert names(np.stack((agent, 0.05 * customer), 1)) == ["0", "1"], "a low voice"


def test_a_party_who_says_one_word_is_not_dead(agent: np.ndarray, customer: np.ndarray) -> None:
    customer[: 5 * 8000] = 0
    customer[5 * 8000 + 2000 :] = 0
    assert names(np.stack((agent, 0.1 * customer), 1)) == ["0", "1"]


@pytest.mark.parametrize("factor", [1, 0.5, 0.05])
@pytest.mark.parametrize("lag", [0, 1, 5])
def test_copies_are_mixed(agent: np.ndarray, factor: float, lag: int) -> None:
    assert names(np.stack((agent, factor * shifted(agent, lag)), 1)) == ["mix"]
    assert names(np.stack((factor * shifted(agent, lag), agent), 1)) == ["mix"]


def test_one_speaker_in_stereo_is_mixed(agent: np.ndarray, customer: np.ndarray) -> None:
    stereo = np.stack((agent + 0.05 * customer, 0.8 * shifted(agent, 3) - 0.05 * customer + 0.2), 1)
    assert names(stereo) == ["mix"]


def test_a_copy_upside_down_is_not_mixed_away(agent: np.ndarray) -> None:
    assert names(np.stack((-0.5 * agent, agent), 1)) == ["1"]


@pytest.mark.parametrize(("format_", "subtype"), [("WAV", "ULAW"), ("MP3", "MPEG_LAYER_III"), ("OGG", "OPUS")])
def test_codecs_change_no_verdict(
    agent: np.ndarray, customer: np.ndarray, tmp_path: Path, format_: str, subtype: str
) -> None:
    for second, wanted in ((0.7 * agent, ["mix"]), (customer, ["0", "1"]), (0 * agent, ["0"])):
        assert names(through_codec(np.stack((agent, second), 1), format_, subtype, tmp_path)) == wanted


def test_dead_channels(agent: np.ndarray, customer: np.ndarray) -> None:
    assert names(np.stack((agent, 0 * agent), 1)) == ["0"]
    assert names(np.stack((0 * agent + 0.5, agent), 1)) == ["1"], "constant"
    assert names(np.stack((0.003 * customer, agent), 1)) == ["1"], "noise far below"
    assert names(np.stack((0 * agent, 0 * agent), 1)) == ["mix"], "silence on both"


def test_next_to_nothing() -> None:
    assert names(np.zeros((0, 2), np.float32)) == ["mix"]
    assert names(np.ones((1, 2), np.float32)) == ["mix"]


def test_a_party_who_joins_late_is_not_lost(
    agent: np.ndarray, customer: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey_module, "HEAD_S", 10.0)
    call = np.stack((np.tile(agent, 6), np.zeros(36 * 8000, np.float32)), 1)
    call[-len(customer) :, 1] = customer
    soundfile.write(tmp_path / "call.wav", call, 8000)
    assert [track.name for track in survey(tmp_path / "call.wav").tracks] == ["0", "1"]
    call[:, 1] = 0
    soundfile.write(tmp_path / "call.wav", call, 8000)
    assert [track.name for track in survey(tmp_path / "call.wav").tracks] == ["0"]


def test_silence_before_the_call_decides_nothing(
    agent: np.ndarray, customer: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey_module, "HEAD_S", 10.0)
    call = np.concatenate((np.zeros((8000 * 40, 2), np.float32), np.stack((agent, customer), 1)))
    soundfile.write(tmp_path / "call.wav", call, 8000)
    assert [track.name for track in survey(tmp_path / "call.wav").tracks] == ["0", "1"]


def seen(block: np.ndarray, rate: int = 8000) -> StereoStats:
    judge = StereoStats(rate, block.shape[1])
    judge.listen(block)
    judge.compare(block)
    return judge


def heard(hearing: Hearing) -> tuple[list[str], str | None]:
    return [track.name for track in hearing.tracks], hearing.note


CANCEL = "mixing the channels would cancel them; channel {} is heard"


@pytest.mark.parametrize("factor", [-1.0, -0.97, -0.4])
def test_channels_that_cancel_are_not_mixed_whatever_was_asked(agent: np.ndarray, factor: float) -> None:
    for judge in (seen(np.stack((agent, factor * agent), 1)), seen(np.stack((agent, shifted(factor * agent, 2)), 1))):
        assert heard(judge.apart()) == heard(judge.together()) == (["0"], CANCEL.format(0))
    assert heard(seen(np.stack((factor * agent, 3 * agent), 1)).together()) == (["1"], CANCEL.format(1))


def test_of_channels_that_cancel_and_are_as_loud_the_first_is_heard(agent: np.ndarray) -> None:
    rounded = np.rint(np.stack((agent, -agent), 1) * 32768) / 32768
    rounded[np.abs(rounded[:, 1]).argmax(), 1] *= 1.01
    assert heard(seen(rounded.astype(np.float32)).together())[0] == ["0"]


def test_hum_on_both_channels_hides_no_cancelling(agent: np.ndarray) -> None:
    hum = 2 * np.sin(np.arange(len(agent)) * 2 * np.pi * 50 / 8000).astype(np.float32)
    stereo = np.stack((agent + hum, hum - agent), 1)
    assert seen(stereo).likeness > SAME
    assert heard(seen(stereo).apart()) == (["0"], CANCEL.format(0))


def test_a_call_is_mixed_where_one_track_is_wanted(agent: np.ndarray, customer: np.ndarray) -> None:
    assert heard(seen(np.stack((agent, customer), 1)).together()) == (["mix"], None)
    half = np.stack((agent, 0.3 * customer - 0.9 * agent), 1)
    assert names(half) == ["0", "1"]
    assert heard(seen(half).together())[1] == CANCEL.format(0), "a mix would hold little but the noise"


def test_dead_channels_are_left_out_of_one_track(agent: np.ndarray, customer: np.ndarray) -> None:
    nothing = np.zeros_like(agent)
    for stereo, alone, dead in (((agent, nothing), 0, 1), ((nothing + 0.5, agent), 1, 0), ((agent, agent / 200), 0, 1)):
        judge = seen(np.stack(stereo, 1).astype(np.float32))
        assert heard(judge.together()) == ([str(alone)], f"channel {dead} is dead; channel {alone} is heard")
        faint = f"channel {dead} is 40 dB fainter or more, and taken for dead" if alone == 0 and dead == 1 else None
        silent = judge.loudness[dead] < 1e-4
        assert heard(judge.apart()) == ([str(alone)], None if silent else faint), "silence is usual, a faint party not"
    one_of_four = seen(np.stack((nothing, nothing, agent, nothing + 0.3), 1).astype(np.float32))
    assert heard(one_of_four.apart()) == (["2"], "channels 0, 1, 3 are dead; channel 2 is heard")
    two_of_four = seen(np.stack((agent, nothing, nothing, customer), 1)).apart()
    assert heard(two_of_four) == (["mix"], "channels 1, 2 are dead; channels 0, 3 are mixed")
    assert two_of_four.tracks[0].members == (0, 3)
    assert heard(seen(np.zeros((800, 5), np.float32)).apart()) == (["mix"], None), "silence on all"


@pytest.mark.parametrize(
    ("gains", "alone"),
    [((1, -1, 1, -1), 0), ((0.5, 1, -1.5), 2), ((0.707, -1, 0, 0), 1), ((0.3, 0.45, -0.72, 0), 2)],
)
def test_many_channels_that_cancel(agent: np.ndarray, gains: tuple[float, ...], alone: int) -> None:
    judge = seen(np.stack([np.float32(gain) * agent for gain in gains], 1))
    assert heard(judge.apart()) == heard(judge.together()) == ([str(alone)], CANCEL.format(alone))


def test_no_sound_is_lost_with_what_cancels_it(agent: np.ndarray, customer: np.ndarray) -> None:
    note = "mixing the channels would cancel them; channels 0, 2 are mixed"
    nothing = np.zeros_like(agent)
    for sounds in ((agent, -agent, customer, -customer), (agent, -agent, customer), (agent, nothing, customer, -agent)):
        hearing = seen(np.stack(sounds, 1)).together()
        assert heard(hearing) == (["mix"], note)
        assert hearing.tracks[0].members == (0, 2)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.1, 1.0), min_size=2, max_size=6), st.integers(0, 99))
def test_the_same_sound_at_any_levels_is_mixed(gains: list[float], seed: int) -> None:
    wave = np.random.default_rng(seed).normal(0, 0.1, 8000).astype(np.float32)
    assert heard(seen(np.stack([np.float32(gain) * wave for gain in gains], 1)).together()) == (["mix"], None)


@pytest.mark.parametrize("n_channels", [2, 5, 9, 16])
def test_unrelated_sounds_are_mixed(sound: Sound, n_channels: int) -> None:
    assert heard(seen(sound(6, 8000, n_channels)).together()) == (["mix"], None)


def test_a_channel_that_joins_late_is_mixed_in(sound: Sound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey_module, "HEAD_S", 10.0)
    sounds = sound(30, 8000, 3)
    sounds[:160_000, 1] = 1e-3 * sounds[:160_000, 0]  # crosstalk
    soundfile.write(tmp_path / "three.wav", sounds, 8000)
    assert heard(survey(tmp_path / "three.wav")) == (["mix"], None)
    soundfile.write(tmp_path / "two.wav", sounds[:, :2], 8000)
    assert heard(survey(tmp_path / "two.wav")) == (["0", "1"], None)
    assert heard(survey(tmp_path / "two.wav", apart=False)) == (["mix"], None)


def test_no_more_is_decoded_than_may_be(tmp_path: Path, sound: Sound) -> None:
    wave = np.zeros((8000 * 60, 2), np.float32)
    wave[-80_000:] = sound(10, 8000, 2)
    soundfile.write(tmp_path / "late.wav", wave, 8000)
    assert heard(survey(tmp_path / "late.wav", most_s=20.0)) == (["mix"], None)
    assert heard(survey(tmp_path / "late.wav")) == (["0", "1"], None)
