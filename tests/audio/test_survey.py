from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pcqtool.audio import survey as survey_module
from pcqtool.audio.survey import Survey, survey

Sound = Callable[..., np.ndarray]


def shifted(wave: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate((np.zeros(n, np.float32), wave[: len(wave) - n]))


def through_codec(wave: np.ndarray, format_: str, subtype: str, folder: Path) -> np.ndarray:
    soundfile.write(folder / "coded", wave, 8000, format=format_, subtype=subtype)
    return soundfile.read(folder / "coded", dtype="float32")[0]


def names(pair: np.ndarray, rate: int = 8000) -> list[str]:
    judge = Survey(rate)
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
