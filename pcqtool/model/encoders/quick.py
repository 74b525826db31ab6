"""Quicker ways to the same values in transformers' encoders, for inference.

WavLM's attention goes through a general function that also averages the attention's weights, and which takes several
times as long in bfloat16; and the convolutions in front, half of a base encoder's time, run best on a CPU as
two-dimensional ones with the channels last.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def quicken(model: Any) -> None:
    """Replace the slow parts of an encoder that has them; its weights stay where they are."""
    if model.config.model_type == "wavlm":
        from transformers.models.wavlm.modeling_wavlm import WavLMAttention

        for layer in model.encoder.layers:
            if type(layer.attention) is WavLMAttention:
                vars(layer.attention)["torch_multi_head_self_attention"] = _Attention(layer.attention)
    front = getattr(model, "feature_extractor", None)
    if front is not None and model.device.type == "cpu":
        layers = list(front.conv_layers)
        if all(not hasattr(layer, "layer_norm") for layer in layers[1:]):
            front.forward = _Front(layers)


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
    """The convolutions on the waves.

    Shape:
        ``(B, N)`` → ``(B, C, T)``
    """

    def __init__(self, layers: list[nn.Module]) -> None:
        self.layers: list[Any] = layers

    def __call__(self, waves: Tensor) -> Tensor:
        """Convolve."""
        first, *rest = self.layers
        x = first(waves[:, None]).unsqueeze(2).contiguous(memory_format=torch.channels_last)
        for layer in rest:
            conv = layer.conv
            weight = conv.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
            x = layer.activation(functional.conv2d(x, weight, conv.bias, stride=(1, conv.stride[0])))
        frames: Tensor = x.squeeze(2)
        return frames
