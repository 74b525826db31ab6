"""Recordings for a machine that has none: the examples' voices, cut, bent, mixed with noise, in several formats."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcqtool.audio.segment import SAMPLE_RATE

EXAMPLES = Path(__file__).parents[2] / "examples" / "recordings"
VOICES = ("greeting.wav", "branch/greeting.wav", "verspaetung.wav", "call-ulaw.wav", "call-stereo.wav")
FORMATS = (
    ("wav", "PCM_16", 16000),
    ("wav", "ULAW", 8000),
    ("flac", "PCM_16", 44100),
    ("mp3", "MPEG_LAYER_III", 22050),
)
"""Suffix, encoding and rate of the recordings, in turn."""

Samples = NDArray[np.float32]


def make_recordings(folder: Path, n: int, seconds: tuple[float, float], seed: int = 0) -> Path:
    """Make a folder of recordings, unless it is there.

    Args:
        folder: where they go.
        n: how many.
        seconds: shortest and longest length.
        seed: of the random numbers.
    """
    import soundfile

    if folder.exists():
        return folder
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    voices = [_read(EXAMPLES / name) for name in VOICES]
    formats = [each for each in FORMATS if each[0] != "mp3" or find_spec("av") is not None]
    for number, length_s in enumerate(rng.uniform(*seconds, n)):
        suffix, subtype, rate = formats[number % len(formats)]
        wave = _speech(voices, round(length_s * SAMPLE_RATE), rng)
        soundfile.write(unfinished / f"{number:04d}.{suffix}", _resampled(wave, SAMPLE_RATE, rate), rate, subtype)
    unfinished.rename(folder)
    return folder


def _speech(voices: list[Samples], n_samples: int, rng: np.random.Generator) -> Samples:
    """Compose voices and pauses, with the noise of a room."""
    pieces = list(_pieces(voices, n_samples, rng))
    wave = np.concatenate(pieces)[:n_samples]
    noise = rng.standard_normal(n_samples, np.float32)
    noise = np.convolve(noise, np.full(8, 1 / 8, np.float32), "same") if rng.random() < 0.5 else noise
    below = 10.0 ** (-rng.uniform(10.0, 35.0) / 20.0)  # 10 to 35 dB below the speech
    mixed = wave + noise * np.float32(below * wave.std() / noise.std())
    scaled: Samples = mixed * np.float32(0.9 * rng.uniform(0.2, 1.0) / np.abs(mixed).max())
    return scaled


def _pieces(voices: list[Samples], n_samples: int, rng: np.random.Generator) -> Iterator[Samples]:
    done = 0
    while done < n_samples:
        voice = voices[rng.integers(len(voices))]
        start = rng.integers(max(1, len(voice) - SAMPLE_RATE))
        bent = _resampled(voice[start : start + 6 * SAMPLE_RATE], round(rng.uniform(13600, 18400)), SAMPLE_RATE)
        pause = np.zeros(round(rng.uniform(0.1, 1.2) * SAMPLE_RATE), np.float32)
        yield bent
        yield pause
        done += len(bent) + len(pause)


def _read(path: Path) -> Samples:
    import soundfile

    wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return _resampled(wave.mean(axis=1), rate, SAMPLE_RATE)


def _resampled(wave: Any, rate: int, new_rate: int) -> Samples:
    import soxr

    resampled: Samples = soxr.resample(wave, rate, new_rate)
    return resampled
