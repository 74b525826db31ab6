"""Parts of an encoder in another precision than float32, and those that stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pcqtool.model.encoders.fast_paths import ROUNDED, Way

FEWEST = 32
"""Channels that a kernel sees: on processors with AMX, torch 2.14 convolves some of 2 to 24 wrongly in bfloat16."""


def roundings(model: Any, dtype: torch.dtype) -> list[Way]:
    """List the parts of an encoder of transformers that can each compute in another precision."""
    if dtype == torch.float32:
        return []
    layers = [module for layer in getattr(model, "encoder", model).layers for module in layer.children()]
    if model.config.model_type == "whisper":
        parts = {"the first convolutions": [model.conv1, model.conv2]}
        layers += [model.embed_positions, model.layer_norm]
    else:
        parts = {
            "the first convolutions": [model.feature_extractor],
            "the convolution for positions": [model.encoder.pos_conv_embed],
        }
        layers += [model.feature_projection, model.encoder.layer_norm]
    return [_rounding(name, modules, dtype) for name, modules in (parts | {"the layers": layers}).items()]


def _rounding(part: str, modules: Iterable[nn.Module], dtype: torch.dtype) -> Way:
    """Name the way of a part in another precision; its modules cast what they are given to the one that they have."""
    weighty = [module for module in modules if next(module.parameters(), None) is not None]
    weights = [each for module in weighty for each in _floats(module)]
    exact = [each.data for each in weights]
    for module in weighty:
        module.register_forward_pre_hook(_cast, with_kwargs=True)

    def take() -> None:
        for each in weights:
            each.data = each.data.to(dtype)

    def leave() -> None:
        for each, values in zip(weights, exact, strict=True):
            each.data = values

    return Way(f"{part} in {str(dtype).removeprefix('torch.')}", weighty, take, leave, ROUNDED)


def _floats(module: nn.Module) -> Sequence[Tensor]:
    return [each for each in (*module.parameters(), *module.buffers()) if each.is_floating_point()]


def _cast(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    dtype = next(module.parameters()).dtype

    def cast(value: Any) -> Any:
        return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value

    return tuple(map(cast, given)), {name: cast(value) for name, value in named.items()}


def keep_exact(model: nn.Module) -> None:
    """Make convolutions whose kernels see few channels compute in float32 whatever the precision around them."""
    for conv in model.modules():
        if isinstance(conv, nn.Conv1d) and 1 < conv.in_channels // conv.groups < FEWEST:
            conv._conv_forward = partial(_in_float32, conv._conv_forward)  # type: ignore[method-assign]


def _in_float32(convolve: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return convolve(x.float(), weight.float(), None if bias is None else bias.float()).to(x.dtype)
