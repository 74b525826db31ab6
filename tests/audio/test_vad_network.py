from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pcqtool.audio import vad_network
from pcqtool.audio.reader import load_waveform
from pcqtool.audio.vad_network import CONTEXT, WEIGHTS, WINDOW, VadNetwork
from pcqtool.errors import ModelError

EXAMPLES = Path(__file__).parents[2] / "examples" / "recordings"


@pytest.fixture(scope="module")
def published() -> Callable[[np.ndarray], np.ndarray]:
    """The probabilities ``(k,)`` that silero-vad's own file yields for windows ``(k, 512)``."""
    import onnxruntime

    package = importlib.util.find_spec("silero_vad")
    assert package is not None
    assert package.origin is not None
    session = onnxruntime.InferenceSession(Path(package.origin).parent / "data" / "silero_vad_16k_sequence.onnx")

    def run(windows: np.ndarray) -> np.ndarray:
        before = np.concatenate((np.zeros((1, CONTEXT), np.float32), windows[:-1, -CONTEXT:]))
        state = np.zeros((1, 1, 128), np.float32)
        feed = {"input": np.concatenate((before, windows), axis=1), "h": state, "c": state}
        return np.ravel(session.run(["speech_probs"], feed)[0])

    return run


def speech(*gains: float) -> np.ndarray:
    wave = load_waveform(EXAMPLES / "greeting.wav")
    wave = np.concatenate([wave * np.float32(gain) for gain in gains])
    return wave[: len(wave) // WINDOW * WINDOW].reshape(-1, WINDOW)


def noise(scale: float) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=scale, size=(300, WINDOW)).astype(np.float32)


@pytest.mark.parametrize(
    "windows",
    [speech(1.0, 0.0, 0.01, 1.0), noise(0.3), noise(1e-4), noise(100.0), np.zeros((40, WINDOW), np.float32)],
    ids=["speech", "noise", "faint", "beyond full scale", "silence"],
)
def test_the_network_is_the_published_one(published: Callable[[np.ndarray], np.ndarray], windows: np.ndarray) -> None:
    np.testing.assert_allclose(VadNetwork().probabilities(windows), published(windows), atol=2e-5)


def test_speech_is_told_from_noise() -> None:
    assert VadNetwork().probabilities(speech(1.0)).max() > 0.95
    assert VadNetwork().probabilities(noise(0.1)).max() < 0.5


@pytest.mark.parametrize("cuts", [(1,), (3, 4, 70), (50, 51, 52)])
def test_the_stream_may_be_cut_anywhere(cuts: tuple[int, ...]) -> None:
    windows, network = speech(1.0, 0.3), VadNetwork()
    parts = [network.probabilities(part) for part in np.split(windows, cuts)]
    np.testing.assert_allclose(np.concatenate(parts), VadNetwork().probabilities(windows), atol=1e-4)


def test_damaged_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vad_network, "WEIGHTS", tmp_path / "weights.safetensors")
    vad_network._read_weights.cache_clear()
    with pytest.raises(ModelError, match="voice activity detection"):
        VadNetwork()
    tensors = load_file(WEIGHTS)
    del tensors["lstm.weight_hh"]
    save_file(tensors, tmp_path / "weights.safetensors")
    with pytest.raises(ModelError, match="lstm"):
        VadNetwork()
    vad_network._read_weights.cache_clear()
