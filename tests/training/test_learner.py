from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from pcqtool.errors import TrainingError
from pcqtool.model.pcq import PCQ
from pcqtool.training import learner as module
from pcqtool.training.front_ends import FrontEnds
from pcqtool.training.learner import Learner
from pcqtool.training.loss import Loss


@pytest.fixture
def learn(experiment, toy_recipe):
    """Give a learner and its front ends; the model is evaluating, so that batches do not matter to its norms."""

    def make(**changes):
        torch.manual_seed(0)
        recipe = toy_recipe(**changes)
        model = PCQ(experiment.config).eval()
        loss_of = Loss(model, experiment.data, experiment.targets, range(36), recipe, None)
        return Learner(model, loss_of, recipe, 100), FrontEnds(model, experiment.data, range(36))

    return make


def gradients(learner):
    return torch.cat([value.grad.flatten() for value in learner.model.parameters()])


def test_batches_that_add_up_are_one_batch(learn):
    """Segments of any length weigh the same, however they are dealt out."""
    rows = np.arange(12)
    whole, seen = learn(max_grad_norm=1e9)
    loss = whole.step([rows], seen)
    parts, seen = learn(max_grad_norm=1e9)
    assert parts.step([rows[:3], rows[3:8], rows[8:]], seen) == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(gradients(parts), gradients(whole), atol=1e-6, rtol=1e-4)


def test_a_loss_that_is_no_number_is_an_error(learn, monkeypatch):
    learner, seen = learn()
    monkeypatch.setattr(module, "mixed_loss", lambda *arguments: torch.tensor(float("nan"), requires_grad=True))
    with pytest.raises(TrainingError, match="not a number"):
        learner.step([np.arange(4)], seen)


def test_half_precision_learns_nearly_the_same(learn):
    steps = {}
    for precision in ("float32", "bfloat16"):
        learner, seen = learn(precision=precision)
        learner.step([np.arange(8)], seen)
        steps[precision] = gradients(learner)
    assert steps["float32"].dtype == steps["bfloat16"].dtype == torch.float32
    assert not torch.equal(steps["float32"], steps["bfloat16"])
    assert torch.cosine_similarity(steps["float32"], steps["bfloat16"], dim=0) > 0.98


def test_a_learner_goes_on_from_its_state_to_the_bit(learn):
    one, seen = learn(ema=0.9, mixup=0.3)
    one.model.train()
    for _ in range(3):
        one.step([np.arange(8)], seen)
    state = copy.deepcopy(one.state())
    for _ in range(3):
        one.step([np.arange(8, 16)], seen)
    other, seen = learn(ema=0.9, mixup=0.3)
    other.model.train()
    other.restore(state)
    for _ in range(3):
        other.step([np.arange(8, 16)], seen)
    for first, second in ((one.model, other.model), (one.averaged, other.averaged)):
        assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    assert one.lr == other.lr
    assert one.rng.random() == other.rng.random()


def test_the_gradient_is_clipped(learn):
    learner, seen = learn(max_grad_norm=1e-3)
    learner.step([np.arange(8)], seen)
    assert gradients(learner).norm() == pytest.approx(1e-3, rel=1e-2)
