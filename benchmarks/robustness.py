"""Robustness of a model: how many labels change when recordings are degraded, and how much accuracy is lost.

    python -m benchmarks.robustness --corpus urdu --root urdu --model pcq-mini

Each condition labels all recordings of the corpus, degraded alike, as ``pcqtool label`` does. The labels are compared
with those of the recordings themselves. Only the classes of the corpus count.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import soundfile
import soxr
from numpy.typing import NDArray

import pcqtool
from pcqtool.audio.codecs import CODECS, apply_codec
from pcqtool.audio.reader import load_waveform
from pcqtool.audio.segment import SAMPLE_RATE
from pcqtool.corpora import registry
from pcqtool.corpora.base import Utterance
from pcqtool.labels import sort_labels
from pcqtool.tables.schema import probability_columns

Wave = NDArray[np.float32]


def _clip(wave: Wave) -> Wave:
    """Amplify by 20 dB and clip."""
    return np.asarray((10.0 * wave).clip(-1.0, 1.0), np.float32)


def _telephone_rate(wave: Wave) -> Wave:
    """Resample to 8 kHz and back."""
    found: Wave = soxr.resample(soxr.resample(wave, SAMPLE_RATE, 8000), 8000, SAMPLE_RATE)
    return found


CONDITIONS: dict[str, Callable[[Wave], Wave]] = {
    "+20 dB, clipped": _clip,
    "-20 dB": lambda wave: wave / np.float32(10.0),
    "8 kHz": _telephone_rate,
    "GSM": partial(apply_codec, codec=CODECS["gsm"]),
    "G.711": partial(apply_codec, codec=CODECS["mulaw"]),
    "Opus, 12 kbit/s": partial(apply_codec, codec=CODECS["opus-12"]),
    "first second cut": lambda wave: wave[min(SAMPLE_RATE, len(wave) // 2) :],
    "first half": lambda wave: wave[: len(wave) // 2],
    "second half": lambda wave: wave[len(wave) // 2 :],
}


def predict(utterances: Sequence[Utterance], change: Callable[[Wave], Wave], model: str, vad: bool) -> pl.DataFrame:
    """Label degraded copies of the recordings; return the file table in the order of the utterances."""
    with tempfile.TemporaryDirectory() as folder:
        for number, utterance in enumerate(utterances):
            wave = load_waveform(utterance.path, utterance.start_s, utterance.end_s, utterance.channel)
            soundfile.write(Path(folder, f"{number:06}.wav"), change(wave), SAMPLE_RATE, "PCM_16")
        return pcqtool.label(folder, model=model, vad=vad).files.sort("file")


def main() -> None:
    """Print a line of JSON for each condition."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", default="emodb")
    parser.add_argument("--root")
    parser.add_argument("--model", default="pcq-mini")
    options = parser.parse_args()
    listed = registry.open_corpus(options.corpus, options.root).utterances()
    known = set(pcqtool.load_model(options.model).labels)
    utterances = [utterance for utterance in listed if utterance.label in known]
    labels = sort_labels(utterance.label for utterance in utterances)
    truth = np.array([labels.index(utterance.label) for utterance in utterances])

    def labels_under(change: Callable[[Wave], Wave], vad: bool = True) -> NDArray[np.int64]:
        table = predict(utterances, change, options.model, vad).select(probability_columns(labels)).fill_null(0.0)
        return np.asarray(table.to_numpy().argmax(axis=1))

    plain = labels_under(lambda wave: wave)
    print(json.dumps({"condition": "as recorded", "ua": _recall(truth, plain)}))
    found = {"without --vad": labels_under(lambda wave: wave, vad=False)}
    for name, change in (*((name, None) for name in found), *CONDITIONS.items()):
        predicted = found[name] if change is None else labels_under(change)
        flips, ua = float((predicted != plain).mean()), _recall(truth, predicted)
        print(json.dumps({"condition": name, "labels changed": round(flips, 4), "ua": ua}), flush=True)


def _recall(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Return the mean recall over classes."""
    return round(float(np.mean([(predicted[truth == label] == label).mean() for label in np.unique(truth)])), 4)


if __name__ == "__main__":
    main()
