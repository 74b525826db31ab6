from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from pcqtool.errors import TrainingError
from pcqtool.training import trainer as module
from pcqtool.training.trainer import TrainingState


@pytest.fixture
def state_of(setup_of, toy_recipe):
    """Make the state of a run; the model is in evaluation mode, so that batches do not matter to its norms."""

    def make(**changes):
        state = TrainingState(setup_of(toy_recipe(**changes), range(36)))
        state.model.eval()
        return state

    return make


def gradients(state):
    return torch.cat([value.grad.flatten() for value in state.model.parameters()])


def test_accumulated_batches_have_the_gradient_of_one_batch(state_of):
    """Segments of any length have the same weight, however they are batched."""
    rows = np.arange(12)
    whole, parts = (state_of(max_grad_norm=1e9) for _ in range(2))
    loss = whole.step([rows])
    assert parts.step([rows[:3], rows[3:8], rows[8:]]) == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(gradients(parts), gradients(whole), atol=1e-6, rtol=1e-4)


def test_a_loss_that_is_not_a_number_is_an_error(state_of, monkeypatch):
    state = state_of()
    monkeypatch.setattr(module, "regularised_loss", lambda *arguments: torch.tensor(float("nan"), requires_grad=True))
    with pytest.raises(TrainingError, match="not a number"):
        state.step([np.arange(4)])


def test_half_precision_learns_nearly_the_same(state_of):
    steps = {}
    for precision in ("float32", "bfloat16"):
        state = state_of(precision=precision)
        state.step([np.arange(8)])
        steps[precision] = gradients(state)
    assert steps["float32"].dtype == steps["bfloat16"].dtype == torch.float32
    assert not torch.equal(steps["float32"], steps["bfloat16"])
    assert torch.cosine_similarity(steps["float32"], steps["bfloat16"], dim=0) > 0.98


def test_a_restored_state_continues_bit_for_bit(state_of):
    one = state_of(ema=0.9, mixup=0.3)
    one.model.train()
    for _ in range(3):
        one.step([np.arange(8)])
    state = copy.deepcopy(one.to_dict())
    for _ in range(3):
        one.step([np.arange(8, 16)])
    other = state_of(ema=0.9, mixup=0.3)
    other.model.train()
    other.restore(state)
    for _ in range(3):
        other.step([np.arange(8, 16)])
    for first, second in ((one.model, other.model), (one.ema_model, other.ema_model)):
        assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    assert one.lr == other.lr
    assert one.rng.random() == other.rng.random()


def test_the_gradient_is_clipped(state_of):
    state = state_of(max_grad_norm=1e-3)
    state.step([np.arange(8)])
    assert gradients(state).norm() == pytest.approx(1e-3, rel=1e-2)
