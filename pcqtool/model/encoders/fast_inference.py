"""Quicker ways to the same values in transformers' encoders, for inference.

WavLM's attention goes through a general function that also averages the attention's weights, and which takes several
times as long in bfloat16; and the convolutions in front, half of a base encoder's time, run best on a CPU as
two-dimensional ones with the channels last, the first of them as a matrix product. The weights stay where they are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pcqtool.model.encoders.fast_paths import Way

_AT_ONCE = 2
"""Segments: their largest frames, 20 MB in bfloat16, are under what glibc always takes anew from the system."""


def quick_ways(model: Any) -> list[Way]:
    """List the quicker ways that an encoder's parts can take in its own precision."""
    ways = []
    if model.config.model_type == "wavlm":
        ways.append(_attention(model.encoder.layers))
    front = getattr(model, "feature_extractor", None)
    if front is not None and model.device.type == "cpu":
        layers = list(front.conv_layers)
        if all(not hasattr(layer, "layer_norm") for layer in layers[1:]):
            ways.append(
                Way(
                    "the quicker convolutions of the waves",
                    [front],
                    lambda: vars(front).update(forward=_Front(layers)),
                    lambda: vars(front).pop("forward"),
                )
            )
    return ways


def _attention(layers: Any) -> Way:
    from transformers.models.wavlm.modeling_wavlm import WavLMAttention

    attentions = [layer.attention for layer in layers if type(layer.attention) is WavLMAttention]
    name = "torch_multi_head_self_attention"

    def take() -> None:
        for each in attentions:
            vars(each)[name] = _Attention(each)

    def leave() -> None:
        for each in attentions:
            del vars(each)[name]

    return Way("the quicker attention", attentions, take, leave)


class _Attention:
    """Attention with an additive bias, without its averaged weights.

    Shape:
        ``(B, T, D)``, and the bias ``(B * heads, T, T)`` → ``(B, T, D)`` and nothing
    """

    def __init__(self, attention: Any) -> None:
        self.attention = attention

    def __call__(self, x: Tensor, mask: Tensor | None, bias: Tensor) -> tuple[Tensor, None]:
        """Attend; segments are never masked, since all have one length."""
        a = self.attention
        b, t, _ = x.shape
        q, k, v = (
            project(x).view(b, t, a.num_heads, a.head_dim).transpose(1, 2) for project in (a.q_proj, a.k_proj, a.v_proj)
        )
        bias = bias.view(b, a.num_heads, t, t)
        if x.device.type == "cpu" and x.dtype == torch.bfloat16:  # there, plain products are twice as fast
            weights = ((q * a.scaling) @ k.transpose(2, 3) + bias).softmax(dim=-1)
            out = weights @ v
        else:
            out = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return a.out_proj(out.transpose(1, 2).reshape(b, t, -1)), None


class _Front:
    """The convolutions on the waves, with channels last throughout.

    Shape:
        ``(B, N)`` → ``(B, C, T)``
    """

    def __init__(self, layers: list[nn.Module]) -> None:
        self.layers: list[Any] = layers

    def __call__(self, waves: Tensor) -> Tensor:
        """Convolve a few segments at a time, whose frames memory can be used again for."""
        return torch.cat([self._convolve(few) for few in torch.split(waves, _AT_ONCE)])

    def _convolve(self, waves: Tensor) -> Tensor:
        first, *rest = self.layers
        x = first.activation(_normalised_conv(waves, first)).transpose(1, 2).unsqueeze(2)
        for layer in rest:
            conv = layer.conv
            weight = conv.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
            x = layer.activation(functional.conv2d(x, weight, conv.bias, stride=(1, conv.stride[0])))
        frames: Tensor = x.squeeze(2)
        return frames


def _normalised_conv(waves: Tensor, layer: Any) -> Tensor:
    """Convolve and bring each channel of each segment to its mean and variance, as one matrix product.

    A channel ``w · x`` has the variance ``w · S w``, where ``S`` is the covariance of what the kernel sees: so the
    normalisation becomes part of the weights.

    Shape:
        ``(B, N)`` → ``(B, T, C)``
    """
    conv, norm = layer.conv, layer.layer_norm
    seen = waves.unfold(1, conv.kernel_size[0], conv.stride[0]).float()
    seen = seen - seen.mean(1, keepdim=True)
    covariance = seen.mT @ seen / seen.shape[1]
    kernels = conv.weight[:, 0].float()
    variance = ((kernels @ covariance) * kernels).sum(-1)
    weights = kernels * (norm.weight * (variance + norm.eps).rsqrt()).unsqueeze(-1)
    seen = functional.pad(seen, (0, 1), value=1.0)  # what the bias is multiplied with
    weights = torch.cat([weights, norm.bias.float().expand(len(waves), -1).unsqueeze(-1)], 2)
    return seen.to(waves.dtype) @ weights.mT.to(waves.dtype)
