"""MLCNN, the multilayer lightweight CNN on the spectrogram (section 2.1, Fig. 1B)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from pcqtool.model.pdc import PDC, PlainConv


class MLCNN(nn.Module):
    """Two to four layers, each a strided 3×3 convolution followed by a PDC block.

    The paper does not describe how the maps shrink from layer to layer; here the 3×3 convolution has a stride.

    Shape:
        ``(B, 1, H, W)``, H in time and W in frequency → for each layer a map ``(B, channels[i], H_i, W_i)``,
        where ``H_i = ceil(H_{i-1} / strides[i])``, and likewise for W.

    Examples:
        >>> import torch
        >>> mlcnn = MLCNN((16, 32, 48, 64), (2, 2, 2, 2))
        >>> [tuple(feature_map.shape[1:]) for feature_map in mlcnn(torch.rand(2, 1, 300, 200))]
        [(16, 150, 100), (32, 75, 50), (48, 38, 25), (64, 19, 13)]
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], pdc: bool = True) -> None:
        super().__init__()
        block = PDC if pdc else PlainConv
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(c_out),
                nn.ReLU(),
                block(c_out),
            )
            for c_in, c_out, stride in zip((1, *channels), channels, strides, strict=False)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the outputs of all layers, x1 to x4."""
        maps = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return maps
