r"""How much a finer grid in time is worth: segments every 3 s, every second, and at pauses.

    python -m benchmarks.finer_time --corpus urdu --root urdu=urdu --model pcq-mini --tracks 60

Utterances of a corpus are joined to tracks with many moods, as in ``joined_tracks``, and labelled with each way of
cutting. The scores are the fraction of the speech that has a wrong label on the timeline, or none, and the mean
distance of the file's probabilities from those of the usual grid. Name a model that was not trained on the corpus.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import soundfile
from numpy.typing import NDArray

import pcqtool
from benchmarks.joined_tracks import NOISE, PAUSE_S, choose_moods, choose_utterances, load
from pcqtool.audio.segment import SAMPLE_RATE, SegmentSpan
from pcqtool.corpora.label_map import load_label_map
from pcqtool.corpora.pool import PooledCorpus, open_pool
from pcqtool.corpora.spec import parse_specs
from pcqtool.labelling.timeline import make_timeline
from pcqtool.model.directory import find, read_config
from pcqtool.tables.schema import probability_columns

CUTS: dict[str, dict[str, Any]] = {
    "every 3 s": {},
    "every 1.5 s": {"hop_s": 1.5},
    "every second": {"hop_s": 1.0},
    "at pauses": {"segments": "speech"},
}

STEP = round(0.1 * SAMPLE_RATE)
NO_SPEECH = -1


def write_tracks(member: PooledCorpus, n: int, seed: int, folder: Path) -> dict[str, NDArray[np.int64]]:
    """Write tracks; return for each the number of the true label every 0.1 s, ``NO_SPEECH`` in pauses."""
    rng = np.random.default_rng([seed, *member.name.encode()])
    truth = {}
    for number in range(n):
        pieces, labels = [np.zeros(0, np.float32)], [np.zeros(0, np.int64)]
        for utterance in choose_utterances(member.utterances, choose_moods(member.labels, "many moods", rng), rng):
            wave, _ = load(utterance)
            pause = rng.normal(0.0, NOISE, round(rng.uniform(*PAUSE_S) * SAMPLE_RATE)).astype(np.float32)
            pieces += [wave, pause]
            labels += [np.full(len(wave), member.labels.index(utterance.label)), np.full(len(pause), NO_SPEECH)]
        path = folder / f"{number:03d}.wav"
        soundfile.write(path, np.concatenate(pieces), SAMPLE_RATE, "PCM_16")
        truth[path.name] = np.concatenate(labels)[::STEP]
    return truth


def predicted_labels(rows: pl.DataFrame, labels: Sequence[str], n: int) -> NDArray[np.int64]:
    """Return the number of the most probable label every 0.1 s; ``NO_SPEECH`` where nothing was predicted."""
    found = np.full(n, NO_SPEECH)
    rows = rows.filter(pl.col("confidence").is_not_null())
    if len(rows):
        edges = (rows.select("start_s", "end_s").to_numpy() * SAMPLE_RATE).round().astype(np.int64)
        spans = [SegmentSpan(int(a), int(b - a), int(b - a)) for a, b in edges]
        timeline, _ = make_timeline(spans, rows.select(probability_columns(labels)).to_numpy().astype(np.float64))
        for start_s, end_s, label in zip(timeline.starts_s, timeline.ends_s, timeline.labels, strict=True):
            found[round(start_s * 10) : round(end_s * 10)] = label
    return found


def compare(member: PooledCorpus, model: str, n_tracks: int, seed: int, **options: Any) -> dict[str, dict[str, float]]:
    """Label the tracks of a corpus with each way of cutting; return the scores."""
    scores: dict[str, dict[str, float]] = {}
    usual: NDArray[np.float64] | None = None
    with tempfile.TemporaryDirectory(prefix="pcqtool-") as folder:
        truth = write_tracks(member, n_tracks, seed, Path(folder))
        for name, cut in CUTS.items():
            results = pcqtool.label(folder, model=model, channels="mix", profile="off", **cut, **options)
            wrong = missing = total = 0
            for file, labels in truth.items():
                predicted = predicted_labels(
                    results.segments.filter(pl.col("file") == file), member.labels, len(labels)
                )
                spoken = labels != NO_SPEECH
                wrong += int((predicted[spoken] != labels[spoken]).sum())
                missing += int((predicted[spoken] == NO_SPEECH).sum())
                total += int(spoken.sum())
            probabilities = results.files.sort("file").select(probability_columns(member.labels)).to_numpy()
            usual = probabilities if usual is None else usual
            scores[name] = {
                "wrong": wrong / total,
                "of these without a label": missing / total,
                "difference of file probabilities": float(np.nanmean(np.abs(probabilities - usual))),
                "same file label": float(np.mean(probabilities.argmax(axis=1) == usual.argmax(axis=1))),
            }
    return scores


def main() -> None:
    """Print the scores of each corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", action="append", required=True)
    parser.add_argument("--root", action="append", default=[])
    parser.add_argument("--map", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--encoder-dir", action="append", type=Path)
    parser.add_argument("--tracks", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    known = read_config(find(options.model)).labels
    for member in open_pool(parse_specs(options.corpus, options.root), load_label_map(options.map)).members:
        scores = compare(
            member.restricted_to(known), options.model, options.tracks, options.seed, encoder_dir=options.encoder_dir
        )
        print(
            json.dumps(
                {"corpus": member.name, "model": options.model, "seed": options.seed, "scores": scores}, indent=1
            )
        )


if __name__ == "__main__":
    main()
