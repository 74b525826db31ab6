"""Weights of networks: which are stored, in half precision, and reading them into tensors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pcqtool.errors import ModelError
from pcqtool.model.weight_files import check_finite, checked_file


def learned_state(module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and running statistics; other buffers, such as filter banks, follow from the config."""
    parameters = {name for name, _ in module.named_parameters()}
    state: dict[str, Tensor] = module.state_dict()
    return {name: value for name, value in state.items() if name in parameters or ".running_" in name}


def to_half(weights: Mapping[str, Tensor], exact: Collection[str] = ()) -> dict[str, Tensor]:
    """Convert weights to half precision on the CPU, except those named in ``exact``, which stay in float32.

    Raises:
        ModelError: if a value is outside the range of half precision, or NaN.
    """
    halves = {
        name: tensor.detach().to("cpu", torch.float32 if name in exact else torch.float16).contiguous()
        for name, tensor in weights.items()
    }
    for name, tensor in halves.items():
        if not tensor.isfinite().all():
            raise ModelError(f"{name} contains values outside the range of half precision")
    return halves


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read all weights of a file.

    Raises:
        ModelError: if it is missing or damaged, or contains values that are not finite.
    """
    with checked_file(path):
        weights: dict[str, Tensor] = load_file(path)
    for name, tensor in weights.items():
        check_finite(path, name, bool(tensor.isfinite().all()))
    return weights
