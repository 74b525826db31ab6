from __future__ import annotations

import numpy as np
import pytest
import torch

from pcqtool.errors import ModelError
from pcqtool.model.encoders import EncoderConfig
from pcqtool.model.encoders.pretrained import load_pretrained
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.training.data import Groups, SegmentSet, TrainingSetup
from pcqtool.training.distillation import teacher as module
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
    network = PCQConfig(("anger", "neutral"), encoder=EncoderConfig("mini"))
    return encode_with_teacher(encoder, data, recipe, network, CPU)


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


LABELS = ("anger", "neutral", "sadness")


def fitted(means, data, targets, train=range(12), corpus=None):
    """Return the predictions of a classifier that is fitted to the means; one corpus unless ``corpus`` has several."""
    corpus = np.zeros(len(targets), np.int64) if corpus is None else corpus
    groups = Groups(corpus, np.arange(len(targets)), targets)
    return fit_teacher_classifier(
        means, TrainingSetup(PCQ, PCQConfig(LABELS), data, targets, train, Recipe("r"), CPU, groups)
    )


def test_the_teacher_predicts_the_recordings_for_all_versions():
    means, data, targets = made()
    log_probs = fitted(means, data, targets, range(9))
    assert log_probs.dtype == np.float32
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1.0, atol=1e-5)
    assert (log_probs.argmax(axis=1) == targets[data.utterance]).all()
    for utterance in range(12):
        assert len(np.unique(log_probs[data.utterance == utterance], axis=0)) == 1
    means[data.version > 0] = 7.0
    assert np.array_equal(fitted(means, data, targets, range(9)), log_probs), "versions are not predicted"


def test_nothing_is_learnt_from_other_parts():
    means, data, targets = made()
    train, held_out = np.arange(9), data.utterance >= 9
    log_probs = fitted(means, data, targets, train)
    other_means, other_targets = means.copy(), targets.copy()
    other_means[held_out] *= -5.0
    other_targets[9:] = 0
    again = fitted(other_means, data, other_targets, train)
    assert np.array_equal(again[~held_out], log_probs[~held_out])
    assert not np.array_equal(again[held_out], log_probs[held_out])


def test_the_weight_of_a_segment_is_its_duration():
    means, data, targets = made(n_augmented=0)
    log_probs = fitted(means, data, targets)
    swapped = means.copy()
    rows = data.rows(0)
    swapped[rows] = (means[rows] * [[3.0], [1.0]]).sum(axis=0) / 4.0  # 48 000 and 16 000 samples
    np.testing.assert_allclose(fitted(swapped, data, targets), log_probs, atol=2e-3)


def test_a_class_that_a_corpus_lacks_is_not_predicted_for_it():
    means, data, targets = made()
    corpus = (np.arange(12) % 3 != 2).astype(np.int64)  # the third class is a corpus of its own
    corpus[:3] = 0  # which has all classes
    log_probs = fitted(means, data, targets, corpus=corpus)
    lacking = corpus[data.utterance] == 1
    assert (log_probs[lacking, 2] < -1000).all()
    assert (log_probs[~lacking] > -50).all()
    assert np.isfinite(log_probs).all()


def test_the_sound_of_a_corpus_is_not_learnt():
    """Means that are shifted and scaled in one corpus have the same predictions as those that are not."""
    means, data, targets = made()
    corpus = np.arange(12) // 6
    log_probs = fitted(means, data, targets, corpus=corpus)
    louder = means.copy()
    louder[data.utterance >= 6] = 3.0 * means[data.utterance >= 6] - 40.0
    np.testing.assert_allclose(fitted(louder, data, targets, corpus=corpus), log_probs, atol=5e-3)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_the_regression_is_scikit_learns_if_all_classes_are_possible(class_weight):
    from sklearn.linear_model import LogisticRegression
    from sklearn.utils.class_weight import compute_sample_weight

    rng = np.random.default_rng(0)
    targets = rng.choice(3, 120, p=[0.6, 0.3, 0.1])
    features = rng.normal(size=(120, 5)) + 0.8 * np.eye(3, 5)[targets]
    weights = compute_sample_weight(class_weight, targets)
    # scikit-learn minimises C times the sum of the losses plus half of the squared weights
    c = 1 / (2 * module._PENALTY * weights.sum())
    wanted = LogisticRegression(C=c, max_iter=5000, tol=1e-8).fit(features, targets, weights)
    everywhere = np.ones((120, 3), bool)
    predict = module._fit_logistic(features, targets, everywhere, weights / weights.sum())
    np.testing.assert_allclose(predict(features, everywhere), wanted.predict_log_proba(features), atol=2e-3)


def test_rows_without_a_class_say_nothing_about_it():
    """A regression of rows that lack a class has, between the others, the odds of one that never knew the class."""
    rng = np.random.default_rng(1)
    targets = rng.choice(2, 60)
    features = rng.normal(size=(60, 4)) + np.eye(2, 4)[targets]
    weights = np.full(60, 1 / 60)
    two, three = np.ones((60, 2), bool), np.tile([True, True, False], (60, 1))
    alone = module._fit_logistic(features, targets, two, weights)(features, two)
    masked = module._fit_logistic(features, targets, three, weights)(features, np.ones((60, 3), bool))
    np.testing.assert_allclose(masked[:, 0] - masked[:, 1], alone[:, 0] - alone[:, 1], atol=2e-3)
