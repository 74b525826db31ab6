from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcqtool.audio.reader import ReaderOptions, SegmentReader, load_waveform
from pcqtool.audio.vad import Hysteresis, VoiceActivityDetector
from pcqtool.audio.vad_network import WINDOW, VadNetwork

Sound = Callable[..., np.ndarray]
EXAMPLES = Path(__file__).parents[2] / "examples" / "recordings"


def decide(probabilities: list[float], sizes: tuple[int, ...] = ()) -> np.ndarray:
    rule = Hysteresis()
    given_ = [rule.push(part) for part in np.split(np.array(probabilities, np.float32), np.cumsum(sizes))]
    return np.concatenate([*given_, rule.flush()])


def detect(wave: np.ndarray, sizes: tuple[int, ...] = ()) -> np.ndarray:
    detector = VoiceActivityDetector()
    given_ = [detector.push(block) for block in np.split(wave, np.cumsum(sizes))]
    return np.concatenate([*given_, detector.flush()])


def test_the_rule() -> None:
    on, off, between = 0.9, 0.1, 0.4
    assert decide([off] * 5 + [on] * 10 + [off] * 9).tolist() == [False] * 5 + [True] * 10 + [False] * 9
    assert decide([off] * 5 + [between] * 10).sum() == 0, "between the thresholds nothing begins"
    assert decide([on] * 5 + [between] * 10).sum() == 15, "nor does it end"
    assert decide([on] * 8 + [off] * 4 + [on] * 8 + [off] * 5).sum() == 20, "a pause for breath"
    assert decide([on] * 8 + [off] * 5 + [on] * 8 + [off] * 5).sum() == 16, "a pause"
    assert decide([on] * 7 + [off] * 9).sum() == 0, "a click"
    assert decide([off] * 3 + [on] * 8 + [off] * 2).sum() == 10, "the end of the stream comes before that of speech"


def test_nothing_stays_undecided_for_long() -> None:
    rule = Hysteresis()
    rule.push(np.array([0.9] * 10 + [0.1], np.float32))
    assert len(rule.push(np.full(100, 0.4, np.float32))) == 101


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([0.05, 0.2, 0.4, 0.45, 0.6, 0.95]), max_size=120),
    st.lists(st.integers(0, 40), max_size=5),
)
def test_cutting_the_stream_changes_nothing(probabilities: list[float], sizes: list[int]) -> None:
    whole = decide(probabilities)
    assert len(whole) == len(probabilities)
    np.testing.assert_array_equal(decide(probabilities, tuple(sizes)), whole)


def test_the_rule_is_that_of_silero_vad() -> None:
    """In a process of its own: importing silero_vad sets torch to one thread."""
    program = """
import numpy as np
from pcqtool.audio.vad import Hysteresis
from pcqtool.audio.vad_network import WINDOW
from silero_vad import get_speech_timestamps_from_probs
rng = np.random.default_rng(0)
for _ in range(300):
    n = int(rng.integers(1, 150))
    p = np.repeat(rng.choice([0.1, 0.2, 0.6, 0.9], n), rng.integers(1, 9, n))[:n].astype(np.float32)
    wanted = np.zeros(n, bool)
    for one in get_speech_timestamps_from_probs(p, speech_pad_ms=0):
        wanted[one["start"] // WINDOW : -(-one["end"] // WINDOW)] = True
    rule = Hysteresis()
    found = np.concatenate([rule.push(p), rule.flush()])
    assert (found == wanted).all(), (p, found, wanted)
print("same")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "same\n", done.stderr


@pytest.mark.parametrize("level", [0.0, 0.003, 0.1])
def test_silence_and_noise_are_not_speech(sound: Sound, level: float) -> None:
    noise = np.random.default_rng(0).standard_normal(16000 * 20).astype(np.float32) * np.float32(level)
    found = detect(noise)
    assert len(found) == 16000 * 20 // WINDOW
    assert not found.any()


def test_tones_are_not_speech() -> None:
    t = np.arange(16000 * 10) / 16000
    dial = 0.3 * np.sin(2 * np.pi * 425 * t) * (t % 5 < 1)
    key = 0.3 * (np.sin(2 * np.pi * 697 * t) + np.sin(2 * np.pi * 1209 * t))
    assert not detect(dial.astype(np.float32)).any()
    assert not detect(key.astype(np.float32)).any()


@pytest.mark.parametrize("n", [0, 1, 511, 512, 513, 16000])
def test_every_window_is_decided(sound: Sound, n: int) -> None:
    assert len(detect(sound(1)[:n])) == -(-n // WINDOW)


def test_speech_is_found_and_block_sizes_do_not_matter(emodb: Path) -> None:
    files = sorted(emodb.iterdir())[:6]
    pause = np.zeros(16000 * 2, np.float32)
    wave = np.concatenate([part for file in files for part in (load_waveform(file), pause)])
    whole = detect(wave)
    assert 0.3 < whole.mean() < 0.8
    for sizes in ((100_000,), (1, 511, 3000, 7, 48000), (20_000,) * 10):
        np.testing.assert_array_equal(detect(wave, sizes), whole)


def test_streams_in_parallel_threads_do_not_interfere(emodb: Path) -> None:
    files = sorted(emodb.iterdir())[:8]
    alone = [detect(load_waveform(file)) for file in files]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda file: detect(load_waveform(file)), files))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_each_utterance_of_a_corpus_has_speech(emodb: Path) -> None:
    for file in sorted(emodb.iterdir())[::20]:
        shares = [chunk.speech_fraction for chunk in SegmentReader(file, ReaderOptions())]
        assert max(share.max() for share in shares) > 0.5, file.name


@pytest.mark.parametrize("gain_db", [-10, -20, -40])
def test_a_quiet_recording_has_as_much_speech_as_a_loud_one(emodb: Path, gain_db: int) -> None:
    waves = [load_waveform(file) for file in sorted(emodb.iterdir())[::30]]
    usual = np.concatenate([detect(wave) for wave in waves])
    quiet = np.concatenate([detect(wave * np.float32(10 ** (gain_db / 20))) for wave in waves])
    assert (quiet == usual).mean() > 0.99


def test_below_the_usual_level_the_level_does_not_matter() -> None:
    wave = load_waveform(EXAMPLES / "greeting.wav") * np.float32(0.1)
    quiet = detect(wave)
    assert quiet.any()
    for gain in (0.5, 0.0625):
        np.testing.assert_array_equal(detect(wave * np.float32(gain)), quiet)


def test_a_loud_recording_is_not_made_quieter(monkeypatch: pytest.MonkeyPatch) -> None:
    given_: list[np.ndarray] = []
    compute = VadNetwork.probabilities

    def note(network: VadNetwork, windows: np.ndarray) -> np.ndarray:
        given_.append(windows.copy())
        return compute(network, windows)

    monkeypatch.setattr(VadNetwork, "probabilities", note)
    wave = np.random.default_rng(0).normal(scale=0.3, size=16000 * 20).astype(np.float32)
    detect(wave)
    assert np.concatenate([each.ravel() for each in given_]).tolist()[: len(wave)] == wave.tolist()
    given_.clear()
    pause = np.concatenate([wave, np.float32(0.001) * wave])
    detect(pause)
    found = np.concatenate([each.ravel() for each in given_])[: len(pause)]
    assert np.abs(found[len(wave) + 16000 * 8 :]).max() < 0.01  # a pause after loud audio stays quiet


def test_torch_is_neither_imported_nor_slowed() -> None:
    program = (
        "import sys, numpy; from pcqtool.audio import vad; vad.VoiceActivityDetector().push(numpy.zeros(200000, 'f4'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program + "; print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
