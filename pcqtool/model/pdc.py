"""PDC, the parameter-efficient depth convolution (section 2.1, Eqs. 1 to 3, Fig. 1C)."""

from __future__ import annotations

from torch import Tensor, nn

EXPANSION = 2
REDUCTION = 6


class ChannelAttention(nn.Module):
    """Squeeze-and-excitation: weights of the channels from their means and two bias-free layers (Eqs. 1 to 3).

    Shape:
        ``(B, C, H, W)`` → ``(B, C, H, W)``
    """

    def __init__(self, channels: int, reduction: int = REDUCTION) -> None:
        super().__init__()
        hidden = max(1, round(channels / reduction))
        self.squeeze = nn.Linear(channels, hidden, bias=False)
        self.excite = nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply each channel by its weight, from 0 to 1."""
        weights = self.excite(self.squeeze(x.mean(dim=(2, 3))).relu()).sigmoid()  # (B, C)
        weighted: Tensor = x * weights[:, :, None, None]
        return weighted


class PDC(nn.Sequential):
    """1×1 convolution to 2C, depthwise 3×3, channel attention, 1×1 back to C: (16/3)C² + 18C weights.

    Each convolution is followed by batch normalisation, which the paper's count does not include.

    Shape:
        ``(B, C, H, W)`` → ``(B, C, H, W)``

    Examples:
        >>> import torch
        >>> PDC(16)(torch.rand(2, 16, 150, 100)).shape
        torch.Size([2, 16, 150, 100])
    """

    def __init__(self, channels: int) -> None:
        wide = EXPANSION * channels
        super().__init__(
            nn.Conv2d(channels, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            ChannelAttention(wide),
            nn.Conv2d(wide, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )


class PlainConv(nn.Sequential):
    """Replacement of PDC in Table 4: one 3×3 convolution from C to C channels, 9C² weights.

    Shape:
        ``(B, C, H, W)`` → ``(B, C, H, W)``
    """

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
