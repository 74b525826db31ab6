"""Faster inference with transformers' encoders in torch: attention, and reduced precision.

transformers computes WavLM's attention with a general function that also averages the attention weights and is
several times slower in bfloat16. The weights are not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.model.encoders.verified_optimisation import ROUNDED, Optimisation

MIN_BFLOAT16_CHANNELS = 32
"""Channels per kernel: on processors with AMX, oneDNN computes some convolutions of 2 to 24 wrongly in bfloat16."""


def fast_paths(model: Any) -> list[Optimisation]:
    """Return the optimisations of an encoder that keep its precision."""
    return [_fast_attention(model.encoder.layers)] if model.config.model_type == "wavlm" else []


def reduced_precision(model: Any, dtype: torch.dtype) -> list[Optimisation]:
    """Return the conversions of an encoder's parts to ``dtype``, each of which can be reverted on its own."""
    if dtype == torch.float32:
        return []
    layers = [module for layer in getattr(model, "encoder", model).layers for module in layer.children()]
    if model.config.model_type == "whisper":
        parts = {"the first convolutions": [model.conv1, model.conv2]}
        layers += [model.embed_positions, model.layer_norm]
    else:
        parts = {
            "the first convolutions": [model.feature_extractor],
            "the positional convolution": [model.encoder.pos_conv_embed],
        }
        layers += [model.feature_projection, model.encoder.layer_norm]
    return [_conversion(name, modules, dtype) for name, modules in (parts | {"the layers": layers}).items()]


def keep_narrow_convolutions_exact(model: nn.Module) -> None:
    """Compute convolutions of few channels per kernel in float32, whatever the precision around them."""
    for conv in narrow_convolutions(model):
        conv._conv_forward = partial(_in_float32, conv._conv_forward)  # type: ignore[method-assign]


def narrow_convolutions(model: nn.Module) -> list[nn.Conv1d]:
    """Return the convolutions of few channels per kernel, but more than one."""
    convolutions = [each for each in model.modules() if isinstance(each, nn.Conv1d)]
    return [each for each in convolutions if 1 < each.in_channels // each.groups < MIN_BFLOAT16_CHANNELS]


def _fast_attention(layers: Any) -> Optimisation:
    from transformers.models.wavlm.modeling_wavlm import WavLMAttention

    attentions = [layer.attention for layer in layers if type(layer.attention) is WavLMAttention]
    name = "torch_multi_head_self_attention"

    def apply() -> None:
        for each in attentions:
            vars(each)[name] = _FastAttention(each)

    def revert() -> None:
        for each in attentions:
            del vars(each)[name]

    return Optimisation("the fast attention", attentions, apply, revert)


class _FastAttention:
    """Attention with an additive bias, without averaging the attention weights.

    Shape:
        ``(B, T, D)`` and bias ``(B * heads, T, T)`` → ``(B, T, D)`` and ``None``
    """

    def __init__(self, attention: Any) -> None:
        self.attention = attention

    def __call__(self, x: Tensor, mask: Tensor | None, bias: Tensor) -> tuple[Tensor, None]:
        """Compute attention; ``mask`` is ignored because all segments have one length."""
        a = self.attention
        b, t, _ = x.shape
        q, k, v = (
            project(x).view(b, t, a.num_heads, a.head_dim).transpose(1, 2) for project in (a.q_proj, a.k_proj, a.v_proj)
        )  # (B, heads, T, head_dim)
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias.view(b, a.num_heads, t, t))
        return a.out_proj(out.transpose(1, 2).reshape(b, t, -1)), None


def _conversion(part: str, modules: Iterable[nn.Module], dtype: torch.dtype) -> Optimisation:
    """Build the conversion of one part; its modules cast their inputs to the dtype of their weights."""
    weighted = [module for module in modules if next(module.parameters(), None) is not None]
    weights = [each for module in weighted for each in _float_tensors(module)]
    exact = [each.data for each in weights]
    for module in weighted:
        module.register_forward_pre_hook(_cast_inputs, with_kwargs=True)

    def apply() -> None:
        for each in weights:
            each.data = each.data.to(dtype)

    def revert() -> None:
        for each, values in zip(weights, exact, strict=True):
            each.data = values

    return Optimisation(f"{part} in {str(dtype).removeprefix('torch.')}", weighted, apply, revert, ROUNDED)


def _float_tensors(module: nn.Module) -> Sequence[Tensor]:
    return [each for each in (*module.parameters(), *module.buffers()) if each.is_floating_point()]


def _cast_inputs(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    dtype = next(module.parameters()).dtype

    def cast(value: Any) -> Any:
        return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value

    return tuple(map(cast, args)), {name: cast(value) for name, value in kwargs.items()}


def _in_float32(convolve: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return convolve(x.float(), weight.float(), None if bias is None else bias.float()).to(x.dtype)
