from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pcqtool.corpora.base import Utterance
from pcqtool.errors import CorpusError, SettingsError
from pcqtool.training.data import SegmentSet
from pcqtool.training.distillation.teacher import mean_frames
from pcqtool.training.experiment import Experiment
from pcqtool.training.network_inputs import cached_states
from pcqtool.training.speaker_adaptation import speaker_offsets

CPU = torch.device("cpu")


def segments(utterance, view, n_samples):
    """Segments of which only their places count."""
    return SegmentSet(np.zeros((len(utterance), 8), np.int16), *map(np.array, (n_samples, utterance, view)))


def spoken_by(*speakers):
    return [Utterance(Path(f"{number}.wav"), "anger", speaker) for number, speaker in enumerate(speakers)]


@given(st.integers(0, 2**32 - 1))
def test_without_the_offsets_all_speakers_have_one_mean(seed):
    rng = np.random.default_rng(seed)
    speakers = ["a", "b", "b", "c", "a"]
    utterance = np.repeat(np.arange(5), rng.integers(1, 4, 5))
    n_samples = rng.integers(1, 9, len(utterance))
    means = rng.normal(size=(len(utterance), 3)).astype(np.float32)
    data = segments(utterance, np.zeros_like(utterance), n_samples)
    left = means - speaker_offsets(means, data, spoken_by(*speakers))[utterance]
    whose = np.array(speakers)[utterance]
    found = [np.average(left[whose == one], axis=0, weights=n_samples[whose == one]) for one in "abc"]
    np.testing.assert_allclose(found, np.broadcast_to(found[0], (3, 3)), atol=1e-5)
    before = [np.average(means[whose == one], axis=0, weights=n_samples[whose == one]) for one in "abc"]
    np.testing.assert_allclose(found[0], np.mean(before, axis=0), atol=1e-5)


def test_views_do_not_move_a_speaker():
    means = np.array([[0.0], [9.0], [4.0]], np.float32)
    data = segments([0, 0, 1], [0, 1, 0], [8, 8, 8])
    assert speaker_offsets(means, data, spoken_by("a", "b")).ravel().tolist() == [-2.0, 2.0]


def test_an_unknown_speaker_is_named():
    with pytest.raises(CorpusError, match=r"1\.wav has none"):
        speaker_offsets(np.zeros((2, 1), np.float32), segments([0, 1], [0, 0], [8, 8]), spoken_by("a", None))


def spread(experiment, utterances):
    """How far speakers' mean frames lie apart, at most."""
    data = experiment.data
    means = mean_frames(cached_states(data, np.arange(len(data.samples)), CPU).numpy(), data, [0, 1])
    whose, own = np.array([each.speaker for each in utterances])[data.utterance], data.version == 0
    parts = [own & (whose == one) for one in sorted(set(whose))]
    return np.ptp([np.average(means[part], axis=0, weights=data.n_samples[part]) for part in parts], axis=0).max()


def test_frames_are_adapted_and_labels_are_not_looked_at(utterances, toy_recipe, tiny_whisper):
    recipe = toy_recipe({"layers": [1, 2], "frozen": True, "concat_layers": True})
    plain = Experiment(utterances, recipe, CPU, str(tiny_whisper)).prepare()
    adapted = Experiment(utterances, recipe, CPU, str(tiny_whisper), adapt=True).prepare()
    assert spread(adapted, utterances) < 0.02 * spread(plain, utterances)
    others = [replace(each, label=utterances[-1 - number].label) for number, each in enumerate(utterances)]
    relabelled = Experiment(others, recipe, CPU, str(tiny_whisper), adapt=True).prepare()
    np.testing.assert_array_equal(relabelled.data.speaker_offsets, adapted.data.speaker_offsets)


def test_what_keeps_no_frames_is_refused(utterances, toy_recipe):
    with pytest.raises(SettingsError, match="cannot be adapted to speakers"):
        Experiment(utterances, toy_recipe("mini", distillation=None), CPU, adapt=True).prepare()
