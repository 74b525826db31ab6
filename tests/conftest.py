"""What several parts of the tests build on: a model and recordings, both made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

WriteWave = Callable[..., Path]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a very small PCQ without encoder, its weights random."""
    import torch

    from pcqtool.model.directory import ModelConfig, describe, save
    from pcqtool.model.pcq import PCQ, PCQConfig

    directory = tmp_path_factory.mktemp("models") / "tiny"
    network = PCQConfig(("anger", "neutral", "sadness"), channels=(4, 8), strides=(2, 2), pool=(4, 4), hidden=(8,))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = PCQ(network)
    save(directory, ModelConfig("tiny", network.labels, describe(network), trained_on="nothing at all"), model, {}, "")
    return directory


@pytest.fixture
def write_wave(tmp_path: Path) -> WriteWave:
    """Write a recording of noise and a tone, another for each seed; ``silent`` leaves nothing but zeros."""
    import soundfile

    def write(
        name: str, seconds: float = 1.0, rate: int = 16000, channels: int = 1, seed: int = 0, silent: bool = False
    ) -> Path:
        rng = np.random.default_rng(seed)
        n = round(seconds * rate)
        noise = rng.normal(0, 0.05, (n, channels)) + 0.3 * np.sin(np.arange(n) * rng.uniform(0.01, 0.5))[:, None]
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise * (not silent), rate, subtype="PCM_16", format="WAV")
        return path

    return write
