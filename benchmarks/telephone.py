"""Accuracy lost to telephone codecs and a low level: each fold's model predicts its test speaker clean and degraded.

    python benchmarks/telephone.py --root emodb --recipe mini

Prints WA and UA over all folds of leave-one-speaker-out for each condition, and the points lost against clean.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from pcqtool.audio.codecs import CODECS, apply_codec
from pcqtool.corpora import registry
from pcqtool.metrics.scores import score
from pcqtool.splits import PROTOCOLS
from pcqtool.training.data import SegmentSet
from pcqtool.training.experiment import Experiment
from pcqtool.training.network_inputs import FrontEnds
from pcqtool.training.profiles import assign_profiles
from pcqtool.training.recipe import load_recipe
from pcqtool.training.trainer import file_probabilities, predict_logits

Wave = NDArray[np.float32]
CONDITIONS: dict[str, Callable[[Wave], Wave]] = {
    "clean": lambda wave: wave,
    "-20 dB": lambda wave: wave / np.float32(10.0),
    **{name: partial(apply_codec, codec=CODECS[name]) for name in ("mulaw", "gsm", "opus-32")},
}


def play(data: SegmentSet, n_utterances: int, condition: Callable[[Wave], Wave]) -> SegmentSet:
    """Return the original recordings (version 0 of ``data``) under a condition."""
    rows = np.concatenate([data.rows(utterance) for utterance in range(n_utterances)])
    samples = data.samples[rows].copy()
    for utterance in range(n_utterances):
        own = np.flatnonzero(data.utterance[rows] == utterance)
        wave = np.concatenate([data.waves(rows[[row]])[0, : data.n_samples[rows[row]]] for row in own])
        degraded = np.rint(condition(wave) * 32768.0).clip(-32768, 32767).astype(np.int16)
        for row, start in zip(own, np.cumsum([0, *data.n_samples[rows[own]]]), strict=False):
            n = data.n_samples[rows[row]]
            samples[row, :n] = degraded[start : start + n]
    return SegmentSet(samples, data.n_samples[rows], data.utterance[rows], data.version[rows])


def main() -> None:
    """Run all folds of leave-one-speaker-out under each condition."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", default="emodb")
    parser.add_argument("--root")
    parser.add_argument("--recipe", default="mini")
    parser.add_argument("--encoder")
    parser.add_argument("--teacher")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    utterances = registry.open_corpus(options.corpus, options.root).utterances()
    recipe, device = load_recipe(options.recipe, seed=options.seed), torch.device("cpu")
    encoder, teacher = recipe.encoder_and_teacher(options.encoder, options.teacher)
    experiment = Experiment(utterances, recipe, device, encoder, teacher, torch.get_num_threads()).prepare()
    played = {name: play(experiment.data, len(utterances), condition) for name, condition in CONDITIONS.items()}
    played = {name: experiment.with_states(data) for name, data in played.items()}
    probabilities = {name: np.zeros((len(utterances), len(experiment.labels))) for name in played}
    for fold in PROTOCOLS["loso"].folds(utterances, options.seed, recipe.validation_size()):
        trained = experiment.train(fold, options.seed)
        for name, data in played.items():
            front_ends = FrontEnds(trained.model, data, data.recorded_rows(fold.test))
            logits = predict_logits(front_ends, fold.test, assign_profiles(front_ends, experiment.groups, fold.test))
            probabilities[name][list(fold.test)] = file_probabilities(
                logits, data, fold.test, recipe.aggregation, trained.temperatures.profiled
            )
    found = {
        name: score(experiment.targets, predicted.argmax(axis=1), predicted, experiment.labels)
        for name, predicted in probabilities.items()
    }
    for name, scores in found.items():
        lost = found["clean"].ua - scores.ua
        print(json.dumps({"condition": name, "wa": scores.wa, "ua": scores.ua, "ece": scores.ece, "ua_lost": lost}))


if __name__ == "__main__":
    main()
