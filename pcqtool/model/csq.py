"""CSQ, the channel semantic query (section 2.3, Eqs. 4 and 5, Fig. 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

DILATIONS = (7, 5, 2, 1)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels at each position.

    Shape:
        ``(B, C, H, W)`` → ``(B, C, H, W)``
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over dimension 1."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class CSQ(nn.Module):
    """Fuse the feature maps of two neighbouring layers with a query token from the speech encoder (Eqs. 4 and 5).

    The deep map is converted to the channels (1×1 convolution) and the size (bilinear) of the shallow map. Both are
    split into four groups. Group i of both maps and the query form ϖ_i (Eq. 4). A depthwise 3×3 convolution with
    dilation 7, 5, 2 or 1 maps ϖ_i to η_i (Eq. 5), and a 1×1 convolution fuses the four.

    Shape:
        shallow ``(B, C_l, H_l, W_l)``, deep ``(B, C_h, H_h, W_h)``, query ``(B, 1, H_l, W_l)``
        → ``(B, C_l, H_l, W_l)``

    Examples:
        >>> import torch
        >>> shallow, deep, query = torch.rand(2, 16, 150, 100), torch.rand(2, 32, 75, 50), torch.rand(2, 1, 150, 100)
        >>> CSQ(16, 32)(shallow, deep, query).shape
        torch.Size([2, 16, 150, 100])
    """

    def __init__(self, shallow: int, deep: int) -> None:
        super().__init__()
        n_groups = len(DILATIONS)
        group = 2 * shallow // n_groups + 1  # channels of ϖ_i: one group of each map, and the query
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
        eta = [group(torch.cat((low, high, query), dim=1)) for group, low, high in pairs]  # (B, C_l / 2 + 1, H_l, W_l)
        fused: Tensor = self.join(torch.cat(eta, dim=1))
        return fused
