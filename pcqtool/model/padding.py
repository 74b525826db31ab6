"""Skipping most of the computation on the padding at the end of segments."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_GROUP_SIZE = 8
"""Segments of similar length that are cut to one length; smaller groups would not occupy a processor's cores."""


def compute_unpadded(
    compute: Callable[[Tensor], Tensor],
    waves: Tensor,
    n_samples: Tensor,
    step: int,
    n_steps: int,
    lookahead: int,
    fill: float,
) -> Tensor:
    """Compute the time steps of the recording in each segment, and fill the steps of its padding.

    Args:
        compute: maps ``(b, n)`` to ``(b, C, n // step, D)`` for any n that is a multiple of ``step``.
        waves: ``(B, N)``, padded with zeros at the end.
        n_samples: ``(B,)``, lengths before padding.
        step: samples per time step.
        n_steps: number of time steps for N samples.
        lookahead: samples after the recording that influence its last step.
        fill: value of the steps that are not computed.

    Returns:
        ``(B, C, n_steps, D)``, equal to ``compute(waves)`` up to the end of each recording.
    """
    ends = ((n_samples + lookahead).div(step, rounding_mode="floor") + 1) * step
    groups = torch.split(n_samples.argsort(descending=True), _GROUP_SIZE)
    parts = [compute(waves[group, : int(ends[group].max())]) for group in groups]
    result = parts[0].new_full((len(waves), parts[0].shape[1], n_steps, parts[0].shape[3]), fill)
    for group, part in zip(groups, parts, strict=True):
        result[group, :, : part.shape[2]] = part
    return result
