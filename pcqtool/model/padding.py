"""Padding at segments' ends, most of which need not be computed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_AT_ONCE = 8
"""Segments of like length that are cut to one; products of fewer would be too small for a processor's cores."""


def compute_unpadded(
    compute: Callable[[Tensor], Tensor],
    waves: Tensor,
    n_samples: Tensor,
    step: int,
    n_steps: int,
    reach: int,
    fill: float,
) -> Tensor:
    """Compute steps in time of segments that are cut behind the recording, and fill in those that are padding alone.

    Args:
        compute: from ``(b, n)`` to ``(b, C, n // step, D)``, for any n that is a multiple of ``step``.
        waves: ``(B, N)``, padded with zeros at the end.
        n_samples: ``(B,)``, samples before the padding.
        step: samples from one step to the next.
        n_steps: number of steps that ``compute`` makes of N samples.
        reach: samples behind the recording on which its last step depends.
        fill: the value of what is left out.

    Returns:
        ``(B, C, n_steps, D)``, up to the recording's end what ``compute(waves)`` gives.
    """
    ends = ((n_samples + reach).div(step, rounding_mode="floor") + 1) * step
    groups = torch.split(n_samples.argsort(descending=True), _AT_ONCE)
    cuts = [compute(waves[few, : int(ends[few].max())]) for few in groups]
    whole = cuts[0].new_full((len(waves), cuts[0].shape[1], n_steps, cuts[0].shape[3]), fill)
    for few, cut in zip(groups, cuts, strict=True):
        whole[few, :, : cut.shape[2]] = cut
    return whole
