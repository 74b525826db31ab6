"""Q4: the encoder's frames, weighed over time by the CNN's last map (Eq. 7)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class TimeAttention(nn.Module):
    """Q4 = x4 ⊗ Q1, read as attention over time.

    x4, averaged over frequency, gives a score for each of its time steps; the scores are stretched to the
    encoder's frames, and their softmax weighs the frames. Frames outside ``share`` weigh nothing.

    Shape:
        x4 ``(B, C, H, W)``, H in time, frames ``(B, T, D)``, share ``(B,)`` or ``None`` → ``(B, D)``
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Linear(channels, 1, bias=False)  # the softmax would cancel a bias

    def forward(self, x4: Tensor, frames: Tensor, share: Tensor | None = None) -> Tensor:
        """Sum the frames by weights that sum to 1."""
        scores = self.score(x4.mean(dim=3).transpose(1, 2)).transpose(1, 2)  # (B, 1, H)
        scores = functional.interpolate(scores, size=frames.shape[1], mode="linear", align_corners=True)
        if share is not None:
            scores = scores.masked_fill(~within(share, frames.shape[1]).unsqueeze(1), -torch.inf)
        weights = scores.softmax(dim=2)
        return (weights @ frames).squeeze(1)


def within(share: Tensor, n_steps: int) -> Tensor:
    """Say which of ``n_steps`` steps in time begin inside the first ``share`` of a segment; the first one always does.

    Shape:
        share ``(B,)``, from 0 to 1 → ``(B, n_steps)`` of truth values
    """
    steps = torch.arange(n_steps, device=share.device)
    return (steps < share.unsqueeze(1) * n_steps) | (steps == 0)
