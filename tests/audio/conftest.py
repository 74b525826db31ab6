"""Sounds made here: what the tests of the audio layer read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

Make = Callable[..., Path]


@pytest.fixture
def sound() -> Callable[..., np.ndarray]:
    """Makes noise of wavering loudness: ``(n,)`` float32, or ``(n, channels)`` of different noises."""

    def make(seconds: float = 2.0, rate: int = 16000, channels: int | None = None, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        n = round(seconds * rate)
        noise = rng.standard_normal((n, channels or 1)) * 0.1
        noise *= 1 + 0.9 * np.sin(np.arange(n) / rate * 3)[:, None]
        return noise.astype(np.float32)[:, 0 if channels is None else slice(None)]

    return make


@pytest.fixture
def write(tmp_path: Path) -> Make:
    """Writes a sound file with soundfile, whatever its name says."""

    def make(name: str, wave: np.ndarray, rate: int = 16000, format: str = "WAV", subtype: str = "PCM_16") -> Path:  # noqa: A002
        path = tmp_path / name
        soundfile.write(os.fspath(path), wave, rate, format=format, subtype=subtype)
        return path

    return make


@pytest.fixture
def cut() -> Callable[[Path, float], Path]:
    """Cuts a file's end off: what an interrupted copy leaves."""

    def make(path: Path, share: float) -> Path:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        return path

    return make


@pytest.fixture(scope="session")
def emodb() -> Path:
    """Real speech, where it is at hand."""
    default = Path(__file__).parents[2].parent / "shared" / "corpora"
    folder = Path(os.environ.get("PCQTOOL_CORPORA", default)) / "emodb" / "wav"
    if not folder.is_dir():
        pytest.skip("EMO-DB is not here")
    return folder
