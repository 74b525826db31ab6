"""CSQ, the channel semantic query (section 2.3, Eqs. 4 and 5, Fig. 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

DILATIONS = (7, 5, 2, 1)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each position.

    Shape:
        ``(B, C, H, W)`` → ``(B, C, H, W)``
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over dimension 1."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class CSQ(nn.Module):
    """Join neighbouring layers' maps group by group under a query token from the speech encoder.

    The deep map is brought to the shallow one's channels (1×1 convolution) and size (bilinear). Both are split
    into four groups; group i of both and the query make ϖ_i (Eq. 4), which a depthwise 3×3 convolution with
    dilation 7, 5, 2 or 1 turns into η_i (Eq. 5); a 1×1 convolution joins the four.

    Shape:
        shallow ``(B, C_l, H_l, W_l)``, deep ``(B, C_h, H_h, W_h)``, query ``(B, 1, H_l, W_l)``
        → ``(B, C_l, H_l, W_l)``
    """

    def __init__(self, shallow: int, deep: int) -> None:
        super().__init__()
        n_groups = len(DILATIONS)
        group = 2 * shallow // n_groups + 1  # channels of ϖ_i: a group of each map, and Q
        self.match = nn.Conv2d(deep, shallow, 1)
        self.groups = nn.ModuleList(
            nn.Sequential(ChannelNorm(group), nn.Conv2d(group, group, 3, padding=d, dilation=d, groups=group))
            for d in DILATIONS
        )
        self.join = nn.Sequential(ChannelNorm(n_groups * group), nn.Conv2d(n_groups * group, shallow, 1))

    def forward(self, shallow: Tensor, deep: Tensor, query: Tensor) -> Tensor:
        """Compute z_j = CSQ(f_j, Q_j) (Eq. 6)."""
        deep = functional.interpolate(self.match(deep), size=shallow.shape[2:], mode="bilinear", align_corners=True)
        n_groups = len(self.groups)
        pairs = zip(self.groups, shallow.chunk(n_groups, dim=1), deep.chunk(n_groups, dim=1), strict=True)
        eta = [group(torch.cat((low, high, query), dim=1)) for group, low, high in pairs]
        joined: Tensor = self.join(torch.cat(eta, dim=1))
        return joined
