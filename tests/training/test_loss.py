from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from pcqtool.errors import SettingsError
from pcqtool.model.pcq import PCQ, NetworkInputs, NetworkOutput, PCQConfig
from pcqtool.training.data import SegmentSet, TrainingSetup
from pcqtool.training.loss import Loss, mask, regularised_loss
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


def loss(model, data, teacher=None, **recipe):
    settings = Recipe("r", **{"label_smoothing": 0.0, "class_weighting": False} | recipe)
    return Loss(TrainingSetup(model.config, data, TARGETS, range(4), settings, torch.device("cpu"), teacher))


def test_a_segments_weight_is_its_duration(model, data, prediction):
    each = functional.cross_entropy(prediction.logits, torch.from_numpy(TARGETS), reduction="none")
    wanted = (each * torch.tensor([0.5, 0.25, 0.125, 0.125])).sum()
    torch.testing.assert_close(loss(model, data)(prediction.logits, ROWS), wanted)


def test_class_weighting_balances_the_classes(model, data):
    weights = loss(model, data, class_weighting=True).class_weights
    torch.testing.assert_close(weights, torch.tensor([4 / 6, 4 / 2]))
    assert float(weights @ torch.tensor([3.0, 1.0])) == pytest.approx(4.0)


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


class Echo(torch.nn.Module):
    """Returns the first two numbers of an input as its logits."""

    def classify(self, inputs):
        return NetworkOutput(inputs.spectrogram.flatten(1)[:, :2], inputs.spectrogram.flatten(1), None)


def test_mixup_mixes_inputs_and_losses(model, data):
    rng, twin = np.random.default_rng(3), np.random.default_rng(3)
    spectrogram = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    inputs, rule = NetworkInputs(spectrogram, spectrogram), loss(model, data, mixup=0.4)
    mixed = regularised_loss(Echo(), rule, inputs, ROWS, rng)
    weight, other = twin.beta(0.4, 0.4), twin.permutation(4)
    logits = (weight * spectrogram + (1 - weight) * spectrogram[other]).flatten(1)[:, :2]
    torch.testing.assert_close(mixed, weight * rule(logits, ROWS) + (1 - weight) * rule(logits, ROWS[other]))
    plain = regularised_loss(Echo(), loss(model, data), inputs, ROWS, rng)
    torch.testing.assert_close(plain, rule(spectrogram.flatten(1)[:, :2], ROWS))


def masked_fractions(masked, plain):
    """Shares of frames and of bins of ``(H, W)`` that are masked from end to end."""
    changed = masked != plain
    return changed.all(dim=1).float().mean().item(), changed.all(dim=0).float().mean().item()


def test_pieces_of_time_and_bands_are_masked_by_the_mean():
    torch.manual_seed(0)
    spectrogram = torch.randn(64, 1, 100, 40)
    masked = mask(
        NetworkInputs(spectrogram, None),
        SpecAugment(time_mask=0.2, frequency_mask=0.25, n_time_masks=1, n_frequency_masks=1),
    ).spectrogram
    assert masked.shape == spectrogram.shape
    assert torch.allclose(masked[masked != spectrogram], spectrogram.mean(), atol=0.01)
    shares = torch.tensor([masked_fractions(one[0], plain[0]) for one, plain in zip(masked, spectrogram, strict=True)])
    assert shares.max(dim=0).values[0] <= 0.2
    assert shares.max(dim=0).values[1] <= 0.25
    assert shares.mean(dim=0)[0] == pytest.approx(0.1, abs=0.03)  # widths are uniform from 0 to the largest
    assert shares.mean(dim=0)[1] == pytest.approx(0.125, abs=0.03)
    assert len({tuple(pair) for pair in shares.tolist()}) > 20  # of each segment's own


def test_log_mel_frames_are_masked_and_waves_and_states_are_not():
    torch.manual_seed(0)
    spectrogram, mel = torch.randn(8, 1, 30, 20), torch.randn(8, 80, 150)
    chosen = SpecAugment()
    assert not torch.equal(mask(NetworkInputs(spectrogram, mel), chosen).encoder_input, mel)
    assert mask(NetworkInputs(spectrogram, mel), chosen).encoder_input.shape == mel.shape
    for other in (torch.randn(8, 4800), torch.randn(8, 2, 15, 4)):
        assert torch.equal(mask(NetworkInputs(spectrogram, other), chosen).encoder_input, other)


def test_no_masks_hide_nothing():
    spectrogram = torch.randn(4, 1, 30, 20)
    assert torch.equal(
        mask(NetworkInputs(spectrogram, None), SpecAugment(n_time_masks=0, n_frequency_masks=0)).spectrogram,
        spectrogram,
    )


@pytest.mark.parametrize(
    "wrong", [{"time_mask": 1.1}, {"frequency_mask": -0.1}, {"n_time_masks": -1}, {"n_frequency_masks": -1}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(SettingsError):
        SpecAugment(**wrong)
