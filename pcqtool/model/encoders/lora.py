"""Low-rank adaptation: a small learnt change to the linear layers of a frozen encoder (LoRA; Hu et al., 2022)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.errors import ModelError

_OURS = (".down", ".up")


class AdaptedLinear(nn.Linear):
    """A linear layer with ``W + up @ down`` for its weight ``W``; at first, the change is nothing.

    Its weight and bias keep their names in the network, so the encoder's own tensors can be told from what was learnt.

    Shape:
        ``(*, in)`` → ``(*, out)``; ``down`` is ``(rank, in)``, ``up`` ``(out, rank)``
    """

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.down = nn.Parameter(torch.randn(rank, linear.in_features) / math.sqrt(linear.in_features))
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Multiply with the weight, and with its change."""
        return super().forward(x) + functional.linear(functional.linear(x, self.down), self.up)

    def merged(self) -> nn.Linear:
        """Give a plain layer that computes the same."""
        linear = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        linear.weight, linear.bias = nn.Parameter(self.weight + self.up @ self.down, False), self.bias
        return linear


def adapt(blocks: nn.Module, rank: int) -> None:
    """Let all linear layers inside some blocks be changed.

    Raises:
        ModelError: if there are none.
    """
    if not (layers := [module for module in blocks.modules() if _linears(module)]):
        raise ModelError("the encoder has no linear layers to adapt")
    for module in layers:
        for name, linear in _linears(module).items():
            setattr(module, name, AdaptedLinear(linear, rank))


def merge(blocks: nn.Module) -> None:
    """Make the changes part of the weights, which then cost nothing."""
    with torch.no_grad():
        for module in list(blocks.modules()):
            for name, child in module.named_children():
                if isinstance(child, AdaptedLinear):
                    setattr(module, name, child.merged())


def is_adaptation(name: str) -> bool:
    """Tell by a tensor's name whether it belongs to a change that was learnt, not to the encoder itself."""
    return name.endswith(_OURS)


def _linears(module: nn.Module) -> dict[str, nn.Linear]:
    return {name: child for name, child in module.named_children() if isinstance(child, nn.Linear)}
