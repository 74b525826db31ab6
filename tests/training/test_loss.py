from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from pcqtool.errors import SettingsError
from pcqtool.model.network import NetworkInputs, NetworkOutput
from pcqtool.model.pcq import PCQ, PCQConfig
from pcqtool.model.standardisation import MeanAndSd
from pcqtool.training.data import Groups, SegmentSet, TrainingSetup
from pcqtool.training.loss import Loss, balanced_weights, mask, regularised_loss
from pcqtool.training.recipe import Distillation, Recipe, SpecAugment

TARGETS = np.array([0, 0, 0, 1])
ROWS = np.arange(4)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return PCQ(
        PCQConfig(
            ("anger", "neutral"),
            mlcnn_channels=(4, 8),
            mlcnn_strides=(2, 2),
            spectrogram_pool=(8, 4),
            classifier_hidden=(8,),
            dropout=0.0,
        )
    )


@pytest.fixture
def data():
    return SegmentSet(
        np.zeros((4, 48000), np.int16), np.array([48000, 24000, 12000, 12000]), np.arange(4), np.zeros(4, int)
    )


@pytest.fixture
def prediction(model):
    rng = torch.Generator().manual_seed(0)
    return NetworkOutput(torch.randn(4, 2, generator=rng), torch.randn(4, model.fusion_width, generator=rng), None)


def setup_of(config, data, targets=TARGETS, corpus=None, teacher=None, train=None, **recipe):
    """Return the setup of a training run; one corpus unless ``corpus`` has several."""
    settings = Recipe("r", **{"label_smoothing": 0.0, "class_weighting": False} | recipe)
    corpus = np.zeros(len(targets), np.int64) if corpus is None else np.asarray(corpus)
    groups = Groups(corpus, np.arange(len(targets)), targets)
    train = range(len(targets)) if train is None else train
    return TrainingSetup(PCQ, config, data, targets, train, settings, torch.device("cpu"), groups, teacher)


def loss(model, data, teacher=None, **recipe):
    return Loss(setup_of(model.config, data, teacher=teacher, **recipe))


def test_a_segments_weight_is_its_duration(model, data, prediction):
    each = functional.cross_entropy(prediction.logits, torch.from_numpy(TARGETS), reduction="none")
    wanted = (each * torch.tensor([0.5, 0.25, 0.125, 0.125])).sum()
    torch.testing.assert_close(loss(model, data)(prediction.logits, ROWS), wanted)


def test_class_weighting_balances_the_classes(model, data):
    weights = loss(model, data, class_weighting=True).class_weights
    torch.testing.assert_close(weights, torch.tensor([[4 / 6, 4 / 2]]))
    assert float(weights[0] @ torch.tensor([3.0, 1.0])) == pytest.approx(4.0)


def test_a_teacher_with_the_same_prediction_adds_nothing(model, data, prediction):
    with torch.no_grad():
        log_probs = prediction.logits.log_softmax(dim=1).numpy()
        plain = loss(model, data)(prediction.logits, ROWS)
        soft = loss(model, data, log_probs, distillation=Distillation(kd_weight=5.0))(prediction.logits, ROWS)
        torch.testing.assert_close(soft, plain)
        contrary = -10.0 * log_probs
        assert (
            loss(model, data, contrary, distillation=Distillation(kd_weight=5.0))(prediction.logits, ROWS) > plain + 0.1
        )


def test_an_impossible_class_makes_no_nan(model, data, prediction):
    log_probs = np.array([[0.0, -1e4]] * 4, np.float32)
    assert torch.isfinite(loss(model, data, log_probs, distillation=Distillation())(prediction.logits, ROWS))


LABELS = ("anger", "neutral", "sadness")
CORPORA = np.array([0, 0, 0, 1, 1, 1])  # the first corpus has all classes, the second one lacks sadness
TRUTH = np.array([0, 1, 2, 0, 1, 1])
SETTINGS = {"label_smoothing": 0.1, "class_weighting": True, "distillation": Distillation(kd_weight=2.0)}


@pytest.fixture
def pooled():
    """Return a function that makes the loss over two corpora of three segments each; others may be left out."""
    rng = np.random.default_rng(0)
    data = SegmentSet(np.zeros((6, 1), np.int16), np.full(6, 48000), np.arange(6), np.zeros(6, np.int64))
    teacher = torch.from_numpy(rng.normal(size=(6, 3))).log_softmax(1).float().numpy()

    def make(labels=LABELS, **changes):
        config = PCQConfig(labels)
        settings = {"targets": TRUTH, "corpus": CORPORA, "teacher": teacher[:, : len(labels)]} | SETTINGS | changes
        return Loss(setup_of(config, data, **settings))

    return make


def logits_of(n_classes=3):
    return torch.randn(6, n_classes, generator=torch.Generator().manual_seed(1), requires_grad=True)


def test_a_class_that_a_corpus_lacks_gets_no_gradient_from_it(pooled):
    logits = logits_of()
    pooled()(logits, np.arange(6)).backward()
    assert (logits.grad[3:, 2] == 0).all()
    assert (logits.grad[3:, :2].abs() > 1e-4).all()
    assert (logits.grad[:3].abs() > 1e-4).all()


def test_a_class_that_a_corpus_lacks_does_not_change_its_loss(pooled):
    """It is that of a network that never knew the class."""
    logits, rows = logits_of().detach(), np.arange(3, 6)
    value = pooled()(logits[3:], rows)
    changed = logits.clone()
    changed[:, 2] += 50.0
    assert torch.equal(pooled()(changed[3:], rows), value)
    two = pooled(("anger", "neutral"), targets=np.where(TRUTH < 2, TRUTH, 0))
    torch.testing.assert_close(two(logits[3:, :2], rows), value)


def test_the_loss_of_a_corpus_is_unaffected_by_the_classes_of_others(pooled):
    logits, rows = logits_of().detach(), np.arange(3)
    without = pooled(targets=np.array([0, 1, 2, 0, 0, 0]))
    assert torch.equal(without(logits[:3], rows), pooled()(logits[:3], rows))


def test_classes_are_balanced_within_each_corpus(pooled):
    weights = pooled().class_weights
    torch.testing.assert_close(weights[0], torch.ones(3))
    torch.testing.assert_close(weights[1], torch.tensor([3 / 2, 3 / 4, 0.0]))
    unweighted = pooled(class_weighting=False).class_weights
    torch.testing.assert_close(unweighted, torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]))


def test_weights_of_utterances_are_equal_for_corpora_and_for_their_classes(pooled):
    weights = balanced_weights(pooled().setup)
    np.testing.assert_allclose(weights, [1 / 6, 1 / 6, 1 / 6, 1 / 4, 1 / 8, 1 / 8])
    some = balanced_weights(pooled(train=[0, 1, 3, 5]).setup)
    np.testing.assert_allclose(some, [1 / 4, 1 / 4, 1 / 4, 1 / 4])


def test_smoothing_spreads_over_the_classes_of_the_corpus(pooled):
    logits = logits_of().detach()
    found = pooled(distillation=None, teacher=None, class_weighting=False)(logits[3:4], np.array([3]))
    log_probs = logits[3, :2].log_softmax(0)
    torch.testing.assert_close(found, -(0.95 * log_probs[0] + 0.05 * log_probs[1]))


class Echo(torch.nn.Module):
    """Returns the first two numbers of an input as its logits."""

    def predict(self, inputs):
        return NetworkOutput(inputs.features[0].flatten(1)[:, :2], inputs.features[0].flatten(1))


def test_mixup_mixes_inputs_and_losses(model, data):
    rng, twin = np.random.default_rng(3), np.random.default_rng(3)
    spectrogram = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    inputs, rule = NetworkInputs((spectrogram, spectrogram)), loss(model, data, mixup=0.4)
    mixed = regularised_loss(Echo(), rule, inputs, ROWS, rng)
    weight, other = twin.beta(0.4, 0.4), twin.permutation(4)
    logits = (weight * spectrogram + (1 - weight) * spectrogram[other]).flatten(1)[:, :2]
    torch.testing.assert_close(mixed, weight * rule(logits, ROWS) + (1 - weight) * rule(logits, ROWS[other]))
    plain = regularised_loss(Echo(), loss(model, data), inputs, ROWS, rng)
    torch.testing.assert_close(plain, rule(spectrogram.flatten(1)[:, :2], ROWS))


class Standardised(torch.nn.Module):
    """Returns the first two elements of a frame, less their mean, as its logits."""

    def predict(self, inputs):
        logits = (inputs.features[1][:, 0, 0] - inputs.statistics.mean)[:, :2]
        return NetworkOutput(logits, logits)


def test_mixup_mixes_the_statistics_of_the_frames(model, data):
    """Frames that are the mean of their own profile stay so: mixing brings back no difference of corpora."""
    mean = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    inputs = NetworkInputs((torch.zeros(4, 1, 2, 2), mean[:, None, None]), None, MeanAndSd(mean, torch.ones(4, 3)))
    rule = loss(model, data, mixup=0.4)
    found = regularised_loss(Standardised(), rule, inputs, ROWS, np.random.default_rng(3))
    assert found == pytest.approx(math.log(2), rel=1e-5)
    frames = mean[:1].expand(4, 3)[:, None, None]
    alike = inputs._replace(features=(inputs.features[0], frames), statistics=inputs.statistics.of(ROWS[:1]))
    found = regularised_loss(Standardised(), rule, alike, ROWS, np.random.default_rng(3))
    assert found == pytest.approx(math.log(2), rel=1e-5)


def masked_fractions(masked, plain):
    """Shares of frames and of bins of ``(H, W)`` that are masked from end to end."""
    changed = masked != plain
    return changed.all(dim=1).float().mean().item(), changed.all(dim=0).float().mean().item()


def test_pieces_of_time_and_bands_are_masked_by_the_mean(model):
    torch.manual_seed(0)
    spectrogram = torch.randn(64, 1, 100, 40)
    (masked,) = mask(
        model,
        NetworkInputs((spectrogram,)),
        SpecAugment(time_mask=0.2, frequency_mask=0.25, n_time_masks=1, n_frequency_masks=1),
    ).features
    assert masked.shape == spectrogram.shape
    assert torch.allclose(masked[masked != spectrogram], spectrogram.mean(), atol=0.01)
    shares = torch.tensor([masked_fractions(one[0], plain[0]) for one, plain in zip(masked, spectrogram, strict=True)])
    assert shares.max(dim=0).values[0] <= 0.2
    assert shares.max(dim=0).values[1] <= 0.25
    assert shares.mean(dim=0)[0] == pytest.approx(0.1, abs=0.03)  # widths are uniform from 0 to the largest
    assert shares.mean(dim=0)[1] == pytest.approx(0.125, abs=0.03)
    assert len({tuple(pair) for pair in shares.tolist()}) > 20  # of each segment's own


def test_log_mel_frames_are_masked_and_waves_and_states_are_not(model):
    torch.manual_seed(0)
    spectrogram, mel = torch.randn(8, 1, 30, 20), torch.randn(8, 80, 150)
    chosen = SpecAugment()
    _, masked = mask(model, NetworkInputs((spectrogram, mel)), chosen).features
    assert not torch.equal(masked, mel)
    assert masked.shape == mel.shape
    for other in (torch.randn(8, 4800), torch.randn(8, 2, 15, 4)):
        assert torch.equal(mask(model, NetworkInputs((spectrogram, other)), chosen).features[1], other)


def test_no_masks_hide_nothing(model):
    spectrogram = torch.randn(4, 1, 30, 20)
    nothing = SpecAugment(n_time_masks=0, n_frequency_masks=0)
    assert torch.equal(mask(model, NetworkInputs((spectrogram,)), nothing).features[0], spectrogram)


@pytest.mark.parametrize(
    "wrong", [{"time_mask": 1.1}, {"frequency_mask": -0.1}, {"n_time_masks": -1}, {"n_frequency_masks": -1}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(SettingsError):
        SpecAugment(**wrong)
