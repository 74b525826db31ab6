from __future__ import annotations

import numpy as np
import pytest
import torch

from pcqtool.errors import ModelError
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.training.data import SegmentSet
from pcqtool.training.recipe import Distillation
from pcqtool.training.teacher import mean_frames, teach

CPU = torch.device("cpu")


def made(n_utterances=12, n_views=2, n_segments=2, dim=6, seed=0):
    """Segments without audio and frames that tell the class (number modulo 3) of an utterance."""
    rng = np.random.default_rng(seed)
    numbers = np.indices((n_utterances, n_views + 1, n_segments)).reshape(3, -1)
    n_samples = np.where(numbers[2] == n_segments - 1, 16000, 48000)
    data = SegmentSet(np.zeros((numbers.shape[1], 48000), np.int16), n_samples, numbers[0], numbers[1])
    means = rng.normal(0, 0.3, (numbers.shape[1], dim))
    means[np.arange(len(means)), numbers[0] % 3] += 3.0
    return means.astype(np.float32), data, np.arange(n_utterances) % 3


def test_frames_are_the_encoders_own_without_the_padding(experiment, tiny_whisper):
    data = experiment.data
    means = mean_frames(str(tiny_whisper), data, (1, 2), CPU)
    assert means.shape == (len(data.samples), 2 * 16)
    assert means.dtype == np.float32
    row = int(np.flatnonzero(data.n_samples == 16000)[0])
    encoder = load_pretrained(str(tiny_whisper), (1, 2))
    with torch.inference_mode():
        states = encoder.hidden_states(encoder.front_end(torch.from_numpy(data.waves(np.array([row])))))
    wanted = torch.cat([state[0, :50].mean(dim=0) for state in states])
    np.testing.assert_allclose(means[row], wanted.numpy(), atol=1e-5)


def test_a_layer_that_is_not_there_is_refused(experiment, tiny_whisper):
    with pytest.raises(ModelError):
        mean_frames(str(tiny_whisper), experiment.data, (9,), CPU)


def test_the_teacher_knows_what_it_was_taught():
    means, data, targets = made()
    lesson = teach(means, data, targets, range(9), Distillation(n_components=3))
    assert lesson.log_probs.dtype == lesson.means.dtype == np.float32
    np.testing.assert_allclose(np.exp(lesson.log_probs).sum(axis=1), 1.0, atol=1e-5)
    assert (lesson.log_probs.argmax(axis=1) == targets[data.utterance]).all()
    for utterance in range(12):
        for view in range(3):
            said = lesson.log_probs[data.rows(utterance, view)]
            assert (said == said[0]).all()


def test_components_are_white_on_the_training_recordings():
    means, data, targets = made()
    lesson = teach(means, data, targets, range(9), Distillation(n_components=4))
    own = lesson.means[(data.utterance < 9) & (data.view == 0)]
    np.testing.assert_allclose(np.cov(own.T), np.eye(4), atol=1e-4)


def test_nothing_is_learnt_from_other_parts():
    means, data, targets = made()
    train, held_out = np.arange(9), data.utterance >= 9
    lesson = teach(means, data, targets, train, Distillation(n_components=3))
    other_means, other_targets = means.copy(), targets.copy()
    other_means[held_out] *= -5.0
    other_targets[9:] = 0
    again = teach(other_means, data, other_targets, train, Distillation(n_components=3))
    assert np.array_equal(again.log_probs[~held_out], lesson.log_probs[~held_out])
    assert np.array_equal(again.means[~held_out], lesson.means[~held_out])
    assert not np.array_equal(again.log_probs[held_out], lesson.log_probs[held_out])


def test_an_utterances_judgement_weighs_segments_by_their_audio():
    means, data, targets = made(n_views=0)
    lesson = teach(means, data, targets, range(12), Distillation(n_components=3))
    swapped = means.copy()
    rows = data.rows(0)
    swapped[rows] = (means[rows] * [[3.0], [1.0]]).sum(axis=0) / 4.0  # 48 000 and 16 000 samples
    again = teach(swapped, data, targets, range(12), Distillation(n_components=3))
    np.testing.assert_allclose(again.log_probs, lesson.log_probs, atol=1e-5)


def test_a_small_corpus_has_fewer_components():
    means, data, targets = made(n_utterances=4, n_views=3, n_segments=1, dim=40)
    lesson = teach(means, data, targets, range(4), Distillation(n_components=64))
    assert lesson.means.shape == (16, 3)
    assert np.isfinite(lesson.means).all()


def test_even_certainty_is_finite():
    means, data, targets = made()
    means[data.view == 1] *= 1e6
    lesson = teach(means, data, targets, range(12), Distillation(n_components=3))
    assert np.isfinite(lesson.log_probs).all()
    assert lesson.log_probs.min() < -700
