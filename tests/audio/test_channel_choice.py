from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pcqtool.audio import channel_choice
from pcqtool.audio.channels import Hearing
from pcqtool.audio.reader import ReaderOptions, SegmentReader, describe, join_notes, load

Make = Callable[..., Path]
Sound = Callable[..., np.ndarray]
NOTE = "mixing the channels would cancel them; channel 0 is heard"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The recordings that were looked through."""
    looked: list[Path] = []
    survey = channel_choice.survey

    def counted(path: Path, *arguments: object) -> Hearing:
        looked.append(path)
        return survey(path, *arguments)

    monkeypatch.setattr(channel_choice, "survey", counted)
    return looked


@pytest.mark.parametrize("mode", ["auto", "mix"])
def test_what_cancels_is_heard_with_a_note_and_alike_everywhere(sound: Sound, write: Make, mode: str) -> None:
    wave = sound(3)
    path = write("inverted.wav", np.stack((wave, -wave), 1), 16000, "WAV", "FLOAT")
    tracks = SegmentReader(path, ReaderOptions(mode, vad=False))
    (chunk,) = list(tracks)
    np.testing.assert_array_equal(chunk.waves[0], wave)
    assert (tracks.info.channel_names, tracks.info.note) == (("0",), NOTE)
    np.testing.assert_array_equal(load(path), wave)
    np.testing.assert_array_equal(load(path, 1.0, 2.0), wave[16000:32000])
    assert describe(path) == (16000, NOTE)
    np.testing.assert_array_equal(load(path, channel=1), -wave)
    assert describe(path, 1) == (16000, None), "what was asked for"


def test_corpora_hear_as_auto_does_but_for_calls(sound: Sound, write: Make) -> None:
    call = sound(3, 16000, 2)
    other = np.where(np.arange(2) == 0, call, 0.25).astype(np.float32)
    for name, stereo, wanted in (
        ("call.wav", call, call.mean(axis=1)),
        ("dead.wav", other, call[:, 0]),
        ("copy.wav", call[:, [0, 0]], call[:, 0]),
    ):
        path = write(name, stereo, 16000, "WAV", "FLOAT")
        np.testing.assert_array_equal(load(path), wanted)
        tracks = SegmentReader(path, ReaderOptions("auto", vad=False))
        chunks = list(tracks)
        assert len(tracks.info.channel_names) == (2 if name == "call.wav" else 1)
        assert tracks.info.note is None
        if name != "call.wav":
            np.testing.assert_array_equal(chunks[0].waves[0], wanted)


def test_a_thousand_excerpts_cost_one_look(sound: Sound, write: Make, looks: list[Path]) -> None:
    wave = sound(20)
    path = write("long.wav", np.stack((wave, -wave), 1), 16000, "WAV", "FLOAT")
    with ThreadPoolExecutor(8) as pool:
        excerpts = list(pool.map(lambda n: load(path, n / 100, n / 100 + 0.1), range(1000)))
    assert looks == [path]
    np.testing.assert_allclose(excerpts[500], wave[80_000:81_600], atol=1e-6)


def test_one_channel_is_not_looked_at(sound: Sound, write: Make, looks: list[Path]) -> None:
    path = write("mono.wav", sound(1))
    assert len(load(path)) == 16000
    list(SegmentReader(path, ReaderOptions("mix", vad=False)))
    stereo = write("stereo.wav", sound(1, 16000, 2))
    load(stereo, channel=1)
    list(SegmentReader(stereo, ReaderOptions("split", vad=False)))
    assert looks == []


def test_a_recording_that_changed_is_looked_at_again(sound: Sound, write: Make, looks: list[Path]) -> None:
    wave = sound(1)
    path = write("a.wav", np.stack((wave, -wave), 1))
    assert np.abs(load(path)).max() > 0.01
    write("a.wav", np.stack((wave, wave), 1))
    os.utime(path, ns=(1, 1))
    assert describe(path)[1] is None
    assert looks == [path, path]


def test_notes_are_joined() -> None:
    assert join_notes(None, None) is None
    assert join_notes("the second track", None) == "the second track"
    assert join_notes("the second track", NOTE) == f"the second track; {NOTE}"


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_four_channels_in_pairs(sound: Sound, write: Make, suffix: str) -> None:
    wave = sound(3)
    path = write(f"a.{suffix}", np.stack((wave, -wave, wave, -wave), 1), 16000, suffix.upper())
    tracks = SegmentReader(path, ReaderOptions(vad=False))
    (chunk,) = list(tracks)
    np.testing.assert_allclose(chunk.waves[0], wave, atol=1e-4)
    assert (tracks.info.channel_names, tracks.info.note) == (("0",), NOTE)
