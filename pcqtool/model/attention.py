"""Q4: attention over the encoder's frames, weighted by the CNN's last feature map (Eq. 7)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class TimeAttention(nn.Module):
    """Q4 = x4 ⊗ Q1, read as attention over time (Eq. 7).

    x4, averaged over frequency, yields one score per time step. The scores are interpolated to the encoder's frames,
    and their softmax weights the frames. Frames beyond ``valid_fraction`` have weight 0.

    Shape:
        x4 ``(B, C, H, W)``, H in time, frames ``(B, T, D)``, valid_fraction ``(B,)`` or ``None`` → ``(B, D)``

    Examples:
        >>> import torch
        >>> TimeAttention(64)(torch.rand(2, 64, 19, 13), torch.rand(2, 149, 768)).shape
        torch.Size([2, 768])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Linear(channels, 1, bias=False)  # the softmax would cancel a bias

    def forward(self, x4: Tensor, frames: Tensor, valid_fraction: Tensor | None = None) -> Tensor:
        """Compute the weighted sum of the frames; the weights sum to 1."""
        scores = self.score(x4.mean(dim=3).transpose(1, 2)).transpose(1, 2)  # (B, 1, H)
        scores = functional.interpolate(scores, size=frames.shape[1], mode="linear", align_corners=True)  # (B, 1, T)
        if valid_fraction is not None:
            scores = scores.masked_fill(~valid_steps(valid_fraction, frames.shape[1]).unsqueeze(1), -torch.inf)
        weights = scores.softmax(dim=2)
        return (weights @ frames).squeeze(1)


def valid_steps(valid_fraction: Tensor, n_steps: int) -> Tensor:
    """Return which time steps begin within the valid fraction of a segment; the first one always counts as valid.

    Shape:
        valid_fraction ``(B,)``, from 0 to 1 → booleans ``(B, n_steps)``
    """
    steps = torch.arange(n_steps, device=valid_fraction.device)
    return (steps < valid_fraction.unsqueeze(1) * n_steps) | (steps == 0)
