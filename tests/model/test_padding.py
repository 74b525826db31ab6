from __future__ import annotations

import torch
from torch import Tensor

from pcqtool.model.padding import compute_unpadded

STEP, N_STEPS = 10, 12


def test_only_padding_beyond_the_lookahead_is_skipped() -> None:
    """Each step tells how loud it is and the half step behind it, and how many samples there were to compute."""
    n_computed = []

    def compute(waves: Tensor) -> Tensor:
        n_computed.append(waves.numel())
        n = waves.shape[1] // STEP
        behind = torch.nn.functional.pad(waves, (0, STEP // 2))
        return 1 + behind.unfold(1, STEP + STEP // 2, STEP)[:, :n].sum(-1)[:, None, :, None].expand(-1, 2, -1, 3)

    generator = torch.Generator().manual_seed(0)
    ends = torch.randint(1, 125, (40,), generator=generator)
    waves = torch.rand(40, 125, generator=generator) * (torch.arange(125) < ends[:, None])
    whole = compute(waves)
    n_computed.clear()
    spared = compute_unpadded(compute, waves, ends, STEP, N_STEPS, STEP // 2, fill=1.0)
    assert spared.shape == (40, 2, N_STEPS, 3)
    assert torch.equal(spared, whole)
    assert ends.sum() < sum(n_computed) < 0.75 * waves.numel()
