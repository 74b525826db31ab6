from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from pcqtool.model.pcq import PCQ, NetworkInputs, NetworkOutput, PCQConfig
from pcqtool.training.data import SegmentSet
from pcqtool.training.loss import Loss, mixed_loss
from pcqtool.training.recipe import Distillation, Recipe

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


def loss(model, data, lesson=None, **recipe):
    return Loss(
        model,
        data,
        TARGETS,
        range(4),
        Recipe("r", **{"label_smoothing": 0.0, "class_weighting": False} | recipe),
        lesson,
    )


def test_segments_weigh_as_much_as_their_audio(model, data, prediction):
    each = functional.cross_entropy(prediction.logits, torch.from_numpy(TARGETS), reduction="none")
    wanted = (each * torch.tensor([0.5, 0.25, 0.125, 0.125])).sum()
    torch.testing.assert_close(loss(model, data)(prediction, ROWS), wanted)


def test_balance_gives_each_class_the_same_weight(model, data):
    weights = loss(model, data, class_weighting=True).class_weights
    torch.testing.assert_close(weights, torch.tensor([4 / 6, 4 / 2]))
    assert float(weights @ torch.tensor([3.0, 1.0])) == pytest.approx(4.0)


def test_a_teacher_that_says_the_same_adds_nothing(model, data, prediction):
    with torch.no_grad():
        lesson = prediction.logits.log_softmax(dim=1).numpy()
        plain = loss(model, data)(prediction, ROWS)
        soft = loss(model, data, lesson, distillation=Distillation(kd_weight=5.0))(prediction, ROWS)
        torch.testing.assert_close(soft, plain)
        contrary = -10.0 * lesson
        assert loss(model, data, contrary, distillation=Distillation(kd_weight=5.0))(prediction, ROWS) > plain + 0.1


def test_an_impossible_class_makes_no_nan(model, data, prediction):
    lesson = np.array([[0.0, -1e4]] * 4, np.float32)
    assert torch.isfinite(loss(model, data, lesson, distillation=Distillation())(prediction, ROWS))


class Echo(torch.nn.Module):
    """Returns the first two numbers of an input as its logits."""

    def classify(self, inputs):
        return NetworkOutput(inputs.spectrogram.flatten(1)[:, :2], inputs.spectrogram.flatten(1), None)


def test_mixup_mixes_inputs_and_what_is_said_of_them(model, data):
    rng, twin = np.random.default_rng(3), np.random.default_rng(3)
    level = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    rule = loss(model, data)
    mixed = mixed_loss(Echo(), rule, NetworkInputs(level, level), ROWS, Recipe("r", mixup=0.4), rng)
    share, other = twin.beta(0.4, 0.4), twin.permutation(4)
    seen = NetworkOutput((share * level + (1 - share) * level[other]).flatten(1)[:, :2], level, None)
    torch.testing.assert_close(mixed, share * rule(seen, ROWS) + (1 - share) * rule(seen, ROWS[other]))
    plain = mixed_loss(Echo(), rule, NetworkInputs(level, level), ROWS, Recipe("r", mixup=0.0), rng)
    torch.testing.assert_close(plain, rule(NetworkOutput(level.flatten(1)[:, :2], level, None), ROWS))
