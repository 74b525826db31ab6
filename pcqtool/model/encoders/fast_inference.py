"""Faster inference with transformers' encoders: attention, convolutions, and reduced precision.

transformers computes WavLM's attention with a general function that also averages the attention weights and is
several times slower in bfloat16. The convolutional front end, half of a base encoder's time, is fastest on a CPU as
two-dimensional convolutions with channels last, the first of them as a matrix product. The weights are not changed.
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
"""Channels per kernel: on processors with AMX, torch 2.14 computes some convolutions of 2 to 24 wrongly in bfloat16."""

_GROUP_SIZE = 2
"""Segments per group: their largest frames, 20 MB in bfloat16, stay under the size that glibc never reuses."""


def fast_paths(model: Any) -> list[Optimisation]:
    """Return the optimisations of an encoder that keep its precision."""
    optimisations = []
    if model.config.model_type == "wavlm":
        optimisations.append(_fast_attention(model.encoder.layers))
    front = getattr(model, "feature_extractor", None)
    if front is not None and model.device.type == "cpu":
        layers = list(front.conv_layers)
        if all(not hasattr(layer, "layer_norm") for layer in layers[1:]):
            optimisations.append(
                Optimisation(
                    "the fast convolutions of the waves",
                    [front],
                    lambda: vars(front).update(forward=_FastConvolutions(layers)),
                    lambda: vars(front).pop("forward"),
                )
            )
    return optimisations


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
    for conv in model.modules():
        if isinstance(conv, nn.Conv1d) and 1 < conv.in_channels // conv.groups < MIN_BFLOAT16_CHANNELS:
            conv._conv_forward = partial(_in_float32, conv._conv_forward)  # type: ignore[method-assign]


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
        bias = bias.view(b, a.num_heads, t, t)
        if x.device.type == "cpu" and x.dtype == torch.bfloat16:  # plain products are twice as fast here
            weights = ((q * a.scaling) @ k.transpose(2, 3) + bias).softmax(dim=-1)
            out = weights @ v
        else:
            out = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return a.out_proj(out.transpose(1, 2).reshape(b, t, -1)), None


class _FastConvolutions:
    """The convolutional front end, with channels last throughout.

    Shape:
        ``(B, N)`` → ``(B, C, T)``
    """

    def __init__(self, layers: list[nn.Module]) -> None:
        self.layers: list[Any] = layers

    def __call__(self, waves: Tensor) -> Tensor:
        """Convolve small groups of segments, so that the memory of their frames is reused."""
        return torch.cat([self._convolve(group) for group in torch.split(waves, _GROUP_SIZE)])

    def _convolve(self, waves: Tensor) -> Tensor:
        first, *rest = self.layers
        x = first.activation(_normalised_conv(waves, first)).transpose(1, 2).unsqueeze(2)  # (B, C, 1, T)
        for layer in rest:
            conv = layer.conv
            weight = conv.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
            x = layer.activation(functional.conv2d(x, weight, conv.bias, stride=(1, conv.stride[0])))
        frames: Tensor = x.squeeze(2)
        return frames


def _normalised_conv(waves: Tensor, layer: Any) -> Tensor:
    """Compute the first convolution and its normalisation over time as one matrix product.

    A channel ``w · x`` has the variance ``w · S w``, where ``S`` is the covariance of the kernel's input windows: so
    the normalisation becomes part of the weights.

    Shape:
        ``(B, N)`` → ``(B, T, C)``
    """
    conv, norm = layer.conv, layer.layer_norm
    windows = waves.unfold(1, conv.kernel_size[0], conv.stride[0]).float()  # (B, T, kernel)
    windows = windows - windows.mean(1, keepdim=True)
    covariance = windows.mT @ windows / windows.shape[1]
    kernels = conv.weight[:, 0].float()
    variance = ((kernels @ covariance) * kernels).sum(-1)
    weights = kernels * (norm.weight * (variance + norm.eps).rsqrt()).unsqueeze(-1)
    windows = functional.pad(windows, (0, 1), value=1.0)  # multiplies the bias
    weights = torch.cat([weights, norm.bias.float().expand(len(waves), -1).unsqueeze(-1)], 2)
    return windows.to(waves.dtype) @ weights.mT.to(waves.dtype)


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
