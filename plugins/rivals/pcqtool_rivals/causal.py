"""The causal convolution of TIM-Net and GM-TCNet."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class CausalConv(nn.Conv1d):
    """A dilated convolution whose outputs depend on no later input: ``(B, C_in, T)`` → ``(B, C_out, T)``."""

    def __init__(self, c_in: int, c_out: int, kernel: int, dilation: int) -> None:
        super().__init__(c_in, c_out, kernel, dilation=dilation)
        self.n_before = (kernel - 1) * dilation

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, with zeros before the first step."""
        return super().forward(functional.pad(x, (self.n_before, 0)))
