from __future__ import annotations

import pytest
import torch

from pcqtool.training import muon
from pcqtool.training.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(8, 24), (24, 8), (8, 8)])
def test_it_moves_as_torchs_own_does(shape, monkeypatch):
    monkeypatch.setattr(muon, "is_fast_in_bfloat16", lambda device: True)  # as torch's always does
    generator = torch.Generator().manual_seed(1)
    start, gradients = torch.randn(shape, generator=generator), torch.randn(4, *shape, generator=generator)
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    optimisers = Muon([ours], lr=0.02, weight_decay=0.1), torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1)
    for gradient in gradients:
        for weights, optimiser in zip((ours, theirs), optimisers, strict=True):
            weights.grad = gradient.clone()
            optimiser.step()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)
    assert (ours - start).abs().max() > 0.01


@pytest.mark.parametrize("fast", [True, False])
def test_singular_values_come_near_one(fast, monkeypatch):
    monkeypatch.setattr(muon, "is_fast_in_bfloat16", lambda device: fast)
    matrix = torch.randn(12, 30, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrix))
    assert orthogonalise(matrix).dtype == torch.float32
    assert values.min() > 0.5
    assert values.max() < 1.5


def test_a_matrix_without_a_gradient_stays():
    matrix = torch.nn.Parameter(torch.ones(2, 3))
    Muon([matrix], lr=0.1, weight_decay=0.1).step()
    assert torch.equal(matrix, torch.ones(2, 3))
