from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.audio import call_detection
from pcqtool.audio.call_detection import SAME_SIGNAL, ChannelStats, analyse_channels
from pcqtool.audio.channels import ChannelPlan
from pcqtool.audio.reader import ReaderOptions, SegmentReader, join_notes, load_waveform, rate_and_note

Sound = Callable[..., np.ndarray]


def shifted(wave: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate((np.zeros(n, np.float32), wave[: len(wave) - n]))


def through_codec(wave: np.ndarray, format_: str, subtype: str, folder: Path) -> np.ndarray:
    soundfile.write(folder / "coded", wave, 8000, format=format_, subtype=subtype)
    return soundfile.read(folder / "coded", dtype="float32")[0]


def names(pair: np.ndarray, rate: int = 8000) -> list[str]:
    stats = ChannelStats(rate)
    for block in np.array_split(pair, 3):
        stats.add_loudness(block)
        stats.add_spectra(block)
    return [mix.name for mix in stats.split_if_call().mixes]


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


def test_a_copy_of_opposite_polarity_does_not_cancel_the_mix(agent: np.ndarray) -> None:
    assert names(np.stack((-0.5 * agent, agent), 1)) == ["1"]


@pytest.mark.parametrize(("format_", "subtype"), [("WAV", "ULAW"), ("MP3", "MPEG_LAYER_III"), ("OGG", "OPUS")])
def test_codecs_do_not_change_the_decision(
    agent: np.ndarray, customer: np.ndarray, tmp_path: Path, format_: str, subtype: str
) -> None:
    for second, wanted in ((0.7 * agent, ["mix"]), (customer, ["0", "1"]), (0 * agent, ["0"])):
        assert names(through_codec(np.stack((agent, second), 1), format_, subtype, tmp_path)) == wanted


def test_dead_channels(agent: np.ndarray, customer: np.ndarray) -> None:
    assert names(np.stack((agent, 0 * agent), 1)) == ["0"]
    assert names(np.stack((0 * agent + 0.5, agent), 1)) == ["1"], "constant"
    assert names(np.stack((0.003 * customer, agent), 1)) == ["1"], "noise far below"
    assert names(np.stack((0 * agent, 0 * agent), 1)) == ["mix"], "silence on both"


def test_hardly_any_samples() -> None:
    assert names(np.zeros((0, 2), np.float32)) == ["mix"]
    assert names(np.ones((1, 2), np.float32)) == ["mix"]


def test_a_party_who_joins_late_is_not_lost(
    agent: np.ndarray, customer: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_detection, "ANALYSED_S", 10.0)
    call = np.stack((np.tile(agent, 6), np.zeros(36 * 8000, np.float32)), 1)
    call[-len(customer) :, 1] = customer
    soundfile.write(tmp_path / "call.wav", call, 8000)
    assert [mix.name for mix in analyse_channels(tmp_path / "call.wav").mixes] == ["0", "1"]
    call[:, 1] = 0
    soundfile.write(tmp_path / "call.wav", call, 8000)
    assert [mix.name for mix in analyse_channels(tmp_path / "call.wav").mixes] == ["0"]


def test_silence_before_a_call_does_not_count(
    agent: np.ndarray, customer: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_detection, "ANALYSED_S", 10.0)
    call = np.concatenate((np.zeros((8000 * 40, 2), np.float32), np.stack((agent, customer), 1)))
    soundfile.write(tmp_path / "call.wav", call, 8000)
    assert [mix.name for mix in analyse_channels(tmp_path / "call.wav").mixes] == ["0", "1"]


def stats_of(block: np.ndarray, rate: int = 8000) -> ChannelStats:
    stats = ChannelStats(rate, block.shape[1])
    stats.add_loudness(block)
    stats.add_spectra(block)
    return stats


def names_and_note(plan: ChannelPlan) -> tuple[list[str], str | None]:
    return [mix.name for mix in plan.mixes], plan.note


CANCEL = "mixing the channels would cancel them; channel {} is used"


@pytest.mark.parametrize("factor", [-1.0, -0.97, -0.4])
def test_channels_that_cancel_are_not_mixed_whatever_was_asked(agent: np.ndarray, factor: float) -> None:
    for stats in (
        stats_of(np.stack((agent, factor * agent), 1)),
        stats_of(np.stack((agent, shifted(factor * agent, 2)), 1)),
    ):
        assert names_and_note(stats.split_if_call()) == names_and_note(stats.mix()) == (["0"], CANCEL.format(0))
    assert names_and_note(stats_of(np.stack((factor * agent, 3 * agent), 1)).mix()) == (["1"], CANCEL.format(1))


def test_the_first_of_equally_loud_cancelling_channels_is_used(agent: np.ndarray) -> None:
    rounded = np.rint(np.stack((agent, -agent), 1) * 32768) / 32768
    rounded[np.abs(rounded[:, 1]).argmax(), 1] *= 1.01
    assert names_and_note(stats_of(rounded.astype(np.float32)).mix())[0] == ["0"]


def test_hum_on_both_channels_does_not_hide_cancellation(agent: np.ndarray) -> None:
    hum = 2 * np.sin(np.arange(len(agent)) * 2 * np.pi * 50 / 8000).astype(np.float32)
    stereo = np.stack((agent + hum, hum - agent), 1)
    assert stats_of(stereo).correlation > SAME_SIGNAL
    assert names_and_note(stats_of(stereo).split_if_call()) == (["0"], CANCEL.format(0))


def test_mix_averages_the_channels_of_a_call(agent: np.ndarray, customer: np.ndarray) -> None:
    assert names_and_note(stats_of(np.stack((agent, customer), 1)).mix()) == (["mix"], None)
    half = np.stack((agent, 0.3 * customer - 0.9 * agent), 1)
    assert names(half) == ["0", "1"]
    assert names_and_note(stats_of(half).mix())[1] == CANCEL.format(0), "a mix would hold little but the noise"


def test_dead_channels_are_not_mixed(agent: np.ndarray, customer: np.ndarray) -> None:
    nothing = np.zeros_like(agent)
    for stereo, alone, dead in (((agent, nothing), 0, 1), ((nothing + 0.5, agent), 1, 0), ((agent, agent / 200), 0, 1)):
        stats = stats_of(np.stack(stereo, 1).astype(np.float32))
        assert names_and_note(stats.mix()) == ([str(alone)], f"channel {dead} is dead; channel {alone} is used")
        faint = f"channel {dead} is at least 40 dB fainter, and treated as dead" if alone == 0 and dead == 1 else None
        silent = stats.loudness[dead] < 1e-4
        assert names_and_note(stats.split_if_call()) == ([str(alone)], None if silent else faint), (
            "silence is usual, a faint party not"
        )
    one_of_four = stats_of(np.stack((nothing, nothing, agent, nothing + 0.3), 1).astype(np.float32))
    assert names_and_note(one_of_four.split_if_call()) == (["2"], "channels 0, 1, 3 are dead; channel 2 is used")
    two_of_four = stats_of(np.stack((agent, nothing, nothing, customer), 1)).split_if_call()
    assert names_and_note(two_of_four) == (["mix"], "channels 1, 2 are dead; channels 0, 3 are mixed")
    assert two_of_four.mixes[0].channels == (0, 3)
    assert names_and_note(stats_of(np.zeros((800, 5), np.float32)).split_if_call()) == (["mix"], None), "silence on all"


@pytest.mark.parametrize(
    ("gains", "alone"),
    [((1, -1, 1, -1), 0), ((0.5, 1, -1.5), 2), ((0.707, -1, 0, 0), 1), ((0.3, 0.45, -0.72, 0), 2)],
)
def test_many_channels_that_cancel(agent: np.ndarray, gains: tuple[float, ...], alone: int) -> None:
    stats = stats_of(np.stack([np.float32(gain) * agent for gain in gains], 1))
    assert names_and_note(stats.split_if_call()) == names_and_note(stats.mix()) == ([str(alone)], CANCEL.format(alone))


def test_no_sound_is_lost_with_what_cancels_it(agent: np.ndarray, customer: np.ndarray) -> None:
    note = "mixing the channels would cancel them; channels 0, 2 are mixed"
    nothing = np.zeros_like(agent)
    for sounds in ((agent, -agent, customer, -customer), (agent, -agent, customer), (agent, nothing, customer, -agent)):
        plan = stats_of(np.stack(sounds, 1)).mix()
        assert names_and_note(plan) == (["mix"], note)
        assert plan.mixes[0].channels == (0, 2)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.1, 1.0), min_size=2, max_size=6), st.integers(0, 99))
def test_the_same_sound_at_any_levels_is_mixed(gains: list[float], seed: int) -> None:
    wave = np.random.default_rng(seed).normal(0, 0.1, 8000).astype(np.float32)
    assert names_and_note(stats_of(np.stack([np.float32(gain) * wave for gain in gains], 1)).mix()) == (["mix"], None)


@pytest.mark.parametrize("n_channels", [2, 5, 9, 16])
def test_unrelated_sounds_are_mixed(sound: Sound, n_channels: int) -> None:
    assert names_and_note(stats_of(sound(6, 8000, n_channels)).mix()) == (["mix"], None)


def test_a_channel_that_joins_late_is_mixed_in(sound: Sound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_detection, "ANALYSED_S", 10.0)
    sounds = sound(30, 8000, 3)
    sounds[:160_000, 1] = 1e-3 * sounds[:160_000, 0]  # crosstalk
    soundfile.write(tmp_path / "three.wav", sounds, 8000)
    assert names_and_note(analyse_channels(tmp_path / "three.wav")) == (["mix"], None)
    soundfile.write(tmp_path / "two.wav", sounds[:, :2], 8000)
    assert names_and_note(analyse_channels(tmp_path / "two.wav")) == (["0", "1"], None)
    assert names_and_note(analyse_channels(tmp_path / "two.wav", split_calls=False)) == (["mix"], None)


def test_decoding_stops_at_the_limit(tmp_path: Path, sound: Sound) -> None:
    wave = np.zeros((8000 * 60, 2), np.float32)
    wave[-80_000:] = sound(10, 8000, 2)
    soundfile.write(tmp_path / "late.wav", wave, 8000)
    assert names_and_note(analyse_channels(tmp_path / "late.wav", max_s=20.0)) == (["mix"], None)
    assert names_and_note(analyse_channels(tmp_path / "late.wav")) == (["0", "1"], None)


Make = Callable[..., Path]
NOTE = "mixing the channels would cancel them; channel 0 is used"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The recordings that were looked through."""
    looked: list[Path] = []
    analyse_channels = call_detection.analyse_channels

    def counted(path: Path, *arguments: object) -> ChannelPlan:
        looked.append(path)
        return analyse_channels(path, *arguments)

    monkeypatch.setattr(call_detection, "analyse_channels", counted)
    return looked


@pytest.mark.parametrize("mode", ["auto", "mix"])
def test_cancelling_channels_get_a_note_and_the_same_samples_everywhere(sound: Sound, write: Make, mode: str) -> None:
    wave = sound(3)
    path = write("inverted.wav", np.stack((wave, -wave), 1), 16000, "WAV", "FLOAT")
    reader = SegmentReader(path, ReaderOptions(mode, vad=False))
    (chunk,) = list(reader)
    np.testing.assert_array_equal(chunk.waves[0], wave)
    assert (reader.info.channel_names, reader.info.note) == (("0",), NOTE)
    np.testing.assert_array_equal(load_waveform(path), wave)
    np.testing.assert_array_equal(load_waveform(path, 1.0, 2.0), wave[16000:32000])
    assert rate_and_note(path) == (16000, NOTE)
    np.testing.assert_array_equal(load_waveform(path, channel=1), -wave)
    assert rate_and_note(path, 1) == (16000, None), "what was asked for"


def test_load_waveform_equals_auto_except_for_calls(sound: Sound, write: Make) -> None:
    call = sound(3, 16000, 2)
    other = np.where(np.arange(2) == 0, call, 0.25).astype(np.float32)
    for name, stereo, wanted in (
        ("call.wav", call, call.mean(axis=1)),
        ("dead.wav", other, call[:, 0]),
        ("copy.wav", call[:, [0, 0]], call[:, 0]),
    ):
        path = write(name, stereo, 16000, "WAV", "FLOAT")
        np.testing.assert_array_equal(load_waveform(path), wanted)
        reader = SegmentReader(path, ReaderOptions("auto", vad=False))
        chunks = list(reader)
        assert len(reader.info.channel_names) == (2 if name == "call.wav" else 1)
        assert reader.info.note is None
        if name != "call.wav":
            np.testing.assert_array_equal(chunks[0].waves[0], wanted)


def test_a_thousand_excerpts_cost_one_analysis(sound: Sound, write: Make, looks: list[Path]) -> None:
    wave = sound(20)
    path = write("long.wav", np.stack((wave, -wave), 1), 16000, "WAV", "FLOAT")
    with ThreadPoolExecutor(8) as pool:
        excerpts = list(pool.map(lambda n: load_waveform(path, n / 100, n / 100 + 0.1), range(1000)))
    assert looks == [path]
    np.testing.assert_allclose(excerpts[500], wave[80_000:81_600], atol=1e-6)


def test_one_channel_is_not_analysed(sound: Sound, write: Make, looks: list[Path]) -> None:
    path = write("mono.wav", sound(1))
    assert len(load_waveform(path)) == 16000
    list(SegmentReader(path, ReaderOptions("mix", vad=False)))
    stereo = write("stereo.wav", sound(1, 16000, 2))
    load_waveform(stereo, channel=1)
    list(SegmentReader(stereo, ReaderOptions("split", vad=False)))
    assert looks == []


def test_a_changed_recording_is_analysed_again(sound: Sound, write: Make, looks: list[Path]) -> None:
    wave = sound(1)
    path = write("a.wav", np.stack((wave, -wave), 1))
    assert np.abs(load_waveform(path)).max() > 0.01
    write("a.wav", np.stack((wave, wave), 1))
    os.utime(path, ns=(1, 1))
    assert rate_and_note(path)[1] is None
    assert looks == [path, path]


def test_notes_are_joined() -> None:
    assert join_notes(None, None) is None
    assert join_notes("the second track", None) == "the second track"
    assert join_notes("the second track", NOTE) == f"the second track; {NOTE}"


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_four_channels_in_pairs(sound: Sound, write: Make, suffix: str) -> None:
    wave = sound(3)
    path = write(f"a.{suffix}", np.stack((wave, -wave, wave, -wave), 1), 16000, suffix.upper())
    reader = SegmentReader(path, ReaderOptions(vad=False))
    (chunk,) = list(reader)
    np.testing.assert_allclose(chunk.waves[0], wave, atol=1e-4)
    assert (reader.info.channel_names, reader.info.note) == (("0",), NOTE)
