"""Telephone calls for benchmarks, made of the utterances of a corpus: two channels, 8 kHz, five minutes each."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

RATE = 8000
CALL_S = 300.0
FORMS = {"µ-law WAV": (".wav", "ULAW"), "MP3": (".mp3", "MPEG_LAYER_III")}
"""Suffix and subtype of each form of file."""

_PAUSES_S = (0.2, 1.5)
_NOISE = 1e-3


def write_calls(corpus: Path, folder: Path, form: str, hours: float) -> None:
    """Write calls in which the corpus's utterances take turns on two channels, with pauses and a little noise.

    Args:
        corpus: folder of recordings.
        folder: is created.
        form: one of ``FORMS``.
        hours: length of all calls together.
    """
    folder.mkdir()
    suffix, subtype = FORMS[form]
    rng, utterances = np.random.default_rng(0), cycle(sorted(corpus.iterdir()))
    for number in range(max(1, round(hours * 3600.0 / CALL_S))):
        call = _call(utterances, rng)
        soundfile.write(folder / f"{number:05}{suffix}", call, RATE, subtype=subtype)


def audio_s_of(path: Path) -> float:
    """Return the length of a recording, or of all in a folder, in seconds."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return float(sum(soundfile.info(file).duration for file in files))


def _call(utterances: Iterable[Path], rng: np.random.Generator) -> NDArray[np.float32]:
    call = rng.normal(0.0, _NOISE, (round(CALL_S * RATE), 2)).astype(np.float32)
    start = 0
    for number, path in enumerate(utterances):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        turn = soxr.resample(samples[:, 0], rate, RATE)[: len(call) - start]
        call[start : start + len(turn), number % 2] += turn
        start += len(turn) + round(rng.uniform(*_PAUSES_S) * RATE)
        if start >= len(call):
            break
    return call
