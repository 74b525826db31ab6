from __future__ import annotations

import numpy as np
import pytest
import torch

from pcqtool.errors import ModelError
from pcqtool.model.encoders import EncoderConfig
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.training.data import SegmentSet
from pcqtool.training.distillation.teacher import encode_with_teacher, fit_teacher_classifier, teacher_layers
from pcqtool.training.recipe import Distillation, FeatureDistillation, Recipe

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PCQTOOL_CACHE", str(tmp_path / "cache"))


def made(n_utterances=12, n_augmented=2, n_segments=2, dim=6, seed=0):
    """Segments without audio and frames that tell the class (number modulo 3) of an utterance."""
    rng = np.random.default_rng(seed)
    numbers = np.indices((n_utterances, n_augmented + 1, n_segments)).reshape(3, -1)
    n_samples = np.where(numbers[2] == n_segments - 1, 16000, 48000)
    data = SegmentSet(np.zeros((numbers.shape[1], 48000), np.int16), n_samples, numbers[0], numbers[1])
    means = rng.normal(0, 0.3, (numbers.shape[1], dim))
    means[np.arange(len(means)), numbers[0] % 3] += 3.0
    return means.astype(np.float32), data, np.arange(n_utterances) % 3


def encode(source, data, **settings):
    recipe = Recipe("r", **settings)
    encoder = load_pretrained(str(source), teacher_layers(recipe), frozen=True)
    return encode_with_teacher(encoder, data, recipe, EncoderConfig("mini"), CPU)


def test_frames_are_the_encoders_own_without_the_padding(experiment, tiny_whisper):
    data = experiment.data
    teacher = encode(tiny_whisper, data, distillation=Distillation(layers=(1, 2)))
    assert (teacher.means.shape, teacher.means.dtype) == ((len(data.samples), 2 * 16), np.float32)
    assert teacher.states is None
    row = int(np.flatnonzero(data.n_samples == 16000)[0])
    encoder = load_pretrained(str(tiny_whisper), (1, 2))
    with torch.inference_mode():
        states = encoder.hidden_states(encoder.front_end(torch.from_numpy(data.waves(np.array([row])))))
    wanted = torch.cat([state[0, :50].mean(dim=0) for state in states])
    np.testing.assert_allclose(teacher.means[row], wanted.numpy(), atol=2e-3)  # kept in half precision


def test_one_pass_serves_both_kinds_of_distillation(experiment, tiny_whisper):
    data = experiment.data
    both = encode(
        tiny_whisper,
        data,
        distillation=Distillation(layers=(1,)),
        feature_distillation=FeatureDistillation(layers=(0, 2)),
    )
    assert both.states.states.shape == (len(data.samples), 3, 75, 16)
    rows = np.arange(4)
    assert both.states.frames(rows).shape == (4, 2, 75, 16)
    encoder = load_pretrained(str(tiny_whisper), (0, 2))
    with torch.inference_mode():
        states = torch.stack(encoder.hidden_states(encoder.front_end(torch.from_numpy(data.waves(rows)))), dim=1)
    pairs = states.unflatten(2, (75, 2)).mean(dim=3)
    np.testing.assert_allclose(both.states.frames(rows), pairs.numpy(), atol=2e-3)
    alone = encode(tiny_whisper, data, distillation=Distillation(layers=(1,)))
    whole = data.n_samples == 48000
    np.testing.assert_allclose(both.means[whole], alone.means[whole], atol=2e-3)


def test_a_layer_that_is_not_there_is_refused(experiment, tiny_whisper):
    with pytest.raises(ModelError):
        encode(tiny_whisper, experiment.data, distillation=Distillation(layers=(9,)))


def test_the_teacher_knows_what_it_was_taught():
    means, data, targets = made()
    lesson = fit_teacher_classifier(means, data, targets, range(9))
    assert lesson.dtype == np.float32
    np.testing.assert_allclose(np.exp(lesson).sum(axis=1), 1.0, atol=1e-5)
    assert (lesson.argmax(axis=1) == targets[data.utterance]).all()
    for utterance in range(12):
        for view in range(3):
            said = lesson[data.rows(utterance, view)]
            assert (said == said[0]).all()


def test_nothing_is_learnt_from_other_parts():
    means, data, targets = made()
    train, held_out = np.arange(9), data.utterance >= 9
    lesson = fit_teacher_classifier(means, data, targets, train)
    other_means, other_targets = means.copy(), targets.copy()
    other_means[held_out] *= -5.0
    other_targets[9:] = 0
    again = fit_teacher_classifier(other_means, data, other_targets, train)
    assert np.array_equal(again[~held_out], lesson[~held_out])
    assert not np.array_equal(again[held_out], lesson[held_out])


def test_an_utterances_judgement_weighs_segments_by_their_audio():
    means, data, targets = made(n_augmented=0)
    lesson = fit_teacher_classifier(means, data, targets, range(12))
    swapped = means.copy()
    rows = data.rows(0)
    swapped[rows] = (means[rows] * [[3.0], [1.0]]).sum(axis=0) / 4.0  # 48 000 and 16 000 samples
    again = fit_teacher_classifier(swapped, data, targets, range(12))
    np.testing.assert_allclose(again, lesson, atol=1e-5)


def test_even_certainty_is_finite():
    means, data, targets = made()
    means[data.version == 1] *= 1e6
    lesson = fit_teacher_classifier(means, data, targets, range(12))
    assert np.isfinite(lesson).all()
    assert lesson.min() < -700
