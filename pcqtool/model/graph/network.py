"""PCQ with the small encoder as a graph: the same computation as ``pcqtool.model.pcq``, for a batch of fixed size.

Whatever is linear and does not depend on the input (pooling, interpolation, batch normalisation) is a constant matrix
or part of a weight. The equations are those of the paper, as in the modules of the same names.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import openvino
import openvino.opset15 as ops

from pcqtool.model.graph import operations as o
from pcqtool.model.graph.operations import Node
from pcqtool.model.graph.settings import GraphSettings
from pcqtool.model.graph.weights import Weights

_DILATIONS = (7, 5, 2, 1)  # of CSQ
_NEVER = -1e9  # score of a frame that attention must not use

_PDC_EXPANSION, _PDC_REDUCTION = 2, 6


def build_graph(settings: GraphSettings, weights: Weights, batch_size: int) -> Any:
    """Build the graph of a network.

    Inputs, in this order: log-mel frames ``(B, n_steps, n_mels)``; the pooled spectrogram in dB ``(B, H, W)``; the
    valid fraction ``(B, 1)``; mean and standard deviation of the profile ``(B, n_elements + W)`` each. Outputs: the
    fusion vector ``(B, F)``; the mean of the frames' elements and of their squares ``(B, 2, n_elements)``.

    Raises:
        ModelError: if a weight is missing or of a wrong shape.
    """
    b, n_elements = batch_size, settings.n_elements
    height, width = settings.spectrogram_size
    shapes = [
        (b, settings.n_steps, settings.encoder.n_mels),
        (b, height, width),
        (b, 1),
        *[(b, n_elements + width)] * 2,
    ]
    inputs = [ops.parameter(list(shape), np.float32) for shape in shapes]
    mel, level, valid_fraction, mean, sd = inputs
    frames = _frames(settings, _encode(settings, weights, mel))
    valid = o.reshape(o.valid_weights(valid_fraction, settings.n_frames), b, 1, settings.n_frames)
    moments = ops.concat([o.matmul(valid, each) for each in (frames, ops.multiply(frames, frames))], axis=1)
    centre, spread = (o.reshape(each, b, 1, n_elements + width) for each in (mean, sd))
    frames, level = (
        ops.divide(ops.subtract(each, o.cut(centre, 2, *part)), o.cut(spread, 2, *part))
        for each, part in ((frames, (0, n_elements)), (level, (n_elements, n_elements + width)))
    )
    fusion = _fuse(settings, weights, frames, level, valid_fraction)
    return openvino.Model([fusion, moments], inputs, "PCQ")


def _encode(settings: GraphSettings, weights: Weights, mel: Node) -> list[Node]:
    """Compute the hidden states of the encoder, from the stem's to the last block's."""
    sizes, b = settings.encoder, o.sizes_of(mel)[0]
    dim, n_steps = sizes.dim, settings.n_steps
    padded = o.pad_steps(mel, 1, 1)
    spliced = ops.concat([o.cut(padded, 1, i, n_steps + i) for i in range(3)], axis=2)
    x = _gelu(o.linear(spliced, *weights.take_layer("encoder.stem.first", dim, 3 * sizes.n_mels)))
    pairs = o.reshape(x, b, n_steps // 2, 2 * dim)
    before = o.pad_steps(o.cut(o.cut(pairs, 2, dim, 2 * dim), 1, 0, n_steps // 2 - 1), 1, 0)
    spliced = ops.concat([before, pairs], axis=2)
    x = _gelu(o.linear(spliced, *weights.take_layer("encoder.stem.second", dim, 3 * dim)))
    pairs = o.reshape(x, b, n_steps // 4, 2 * dim)
    halves = ops.add(o.cut(pairs, 2, 0, dim), o.cut(pairs, 2, dim, 2 * dim))
    normed = o.reshape(o.layer_norm(x, *weights.take_layer("encoder.stem.norm", dim)), b, n_steps // 4, 2 * dim)
    joined = o.linear(normed, *weights.take_layer("encoder.stem.join", dim, 2 * dim))
    states = [ops.add(ops.multiply(halves, o.constant(0.5)), joined)]
    for i in range(sizes.n_blocks):
        states.append(_block(settings, weights, f"encoder.blocks.{i}", states[-1]))
    return states


def _block(settings: GraphSettings, weights: Weights, name: str, x: Node) -> Node:
    """Compute a residual block: a depthwise convolution in time and two linear layers."""
    sizes = settings.encoder
    b, n_steps, dim = o.sizes_of(x)
    wide = sizes.expansion * dim
    normed = o.layer_norm(x, *weights.take_layer(f"{name}.norm", dim))
    channels = o.reshape(o.transpose(normed, 0, 2, 1), b, dim, n_steps, 1)
    kernel, bias = weights.take_layer(f"{name}.conv", dim, 1, sizes.kernel)
    mixed = o.transpose(o.reshape(o.convolve(channels, kernel[..., None], bias), b, dim, n_steps), 0, 2, 1)
    hidden = _gelu(o.linear(mixed, *weights.take_layer(f"{name}.up", wide, dim)))
    return ops.add(x, o.linear(hidden, *weights.take_layer(f"{name}.down", dim, wide)))


def _frames(settings: GraphSettings, states: list[Node]) -> Node:
    """Pool the hidden states in use, normalise each, and put them side by side: ``(B, n_frames, n_elements)``."""
    pooling = o.constant(o.averaging_matrix(settings.n_steps // 4, settings.frame_pool))
    return ops.concat([o.layer_norm(o.matmul(pooling, states[layer])) for layer in settings.layers], axis=2)


def _fuse(settings: GraphSettings, weights: Weights, frames: Node, level: Node, valid_fraction: Node) -> Node:
    """Compute the fusion vector (Eqs. 6 to 8)."""
    maps = _mlcnn(settings, weights, level)
    parts = []
    for i, (shallow, deep) in enumerate(pairwise(maps)):
        _, _, height, width = o.sizes_of(shallow)
        token = o.linear(frames, weights.take(f"query.{i}.weight", width, settings.n_elements))
        query = o.matmul(o.constant(o.adaptive_averaging_matrix(settings.n_frames, height)), token)  # (B, H, W)
        parts.append(_gap(_csq(weights, f"csq.{i}", shallow, deep, query), valid_fraction))
    parts += [_gap(maps[-1], valid_fraction), _attend(settings, weights, maps[-1], frames, valid_fraction)]
    return ops.concat(parts, axis=1)


def _mlcnn(settings: GraphSettings, weights: Weights, level: Node) -> list[Node]:
    """Compute the maps of all layers: strided 3×3 convolutions, each followed by a PDC block (Eqs. 1 to 3)."""
    b, height, width = o.sizes_of(level)
    x, n_in = o.reshape(level, b, 1, height, width), 1
    maps = []
    for i, (n, stride) in enumerate(zip(settings.channels, settings.strides, strict=False)):
        layer, wide = f"mlcnn.layers.{i}", _PDC_EXPANSION * n
        block = f"{layer}.3"
        x = ops.relu(o.convolve(x, *weights.take_normalised(f"{layer}.0.weight", f"{layer}.1", n, n_in, 3, 3), stride))
        x = ops.relu(o.convolve(x, *weights.take_normalised(f"{block}.0.weight", f"{block}.1", wide, n, 1, 1)))
        x = ops.relu(o.convolve(x, *weights.take_normalised(f"{block}.3.weight", f"{block}.4", wide, 1, 3, 3)))
        hidden = max(1, round(wide / _PDC_REDUCTION))
        squeezed = o.linear(o.mean(x, 2, 3), weights.take(f"{block}.6.squeeze.weight", hidden, wide))
        excited = o.linear(ops.relu(squeezed), weights.take(f"{block}.6.excite.weight", wide, hidden))
        x = ops.multiply(x, o.reshape(ops.sigmoid(excited), b, wide, 1, 1))
        x = ops.relu(o.convolve(x, *weights.take_normalised(f"{block}.7.weight", f"{block}.8", n, wide, 1, 1)))
        maps.append(x)
        n_in = n
    return maps


def _csq(weights: Weights, name: str, shallow: Node, deep: Node, query: Node) -> Node:
    """Fuse two maps with a query ``(B, H, W)`` (Eqs. 4 and 5)."""
    b, n, height, width = o.sizes_of(shallow)
    _, n_deep, deep_height, deep_width = o.sizes_of(deep)
    n_groups, area = len(_DILATIONS), height * width
    size = 2 * n // n_groups + 1  # channels of a group
    matched = o.convolve(deep, *weights.take_layer(f"{name}.match", n, n_deep, 1, 1))
    enlarge = np.kron(o.interpolation_matrix(deep_height, height), o.interpolation_matrix(deep_width, width))
    high = o.matmul(o.constant(enlarge), o.reshape(_last(matched), b, deep_height * deep_width, n))
    low = o.reshape(_last(shallow), b, area, n)
    token = ops.broadcast(o.reshape(query, b, area, 1, 1), o.integers(b, area, n_groups, 1))
    groups = [o.reshape(each, b, area, n_groups, n // n_groups) for each in (low, high)]
    names = [f"{name}.groups.{i}" for i in range(n_groups)]
    scale, shift = (
        np.stack(each) for each in zip(*(weights.take_layer(f"{each}.0", size) for each in names), strict=True)
    )
    normed = o.layer_norm(ops.concat([*groups, token], axis=3), scale, shift)  # (B, H W, groups, size)
    x = _first(o.reshape(normed, b, height, width, n_groups * size))
    mixed = [
        o.convolve(
            o.cut(x, 1, i * size, (i + 1) * size),
            *weights.take_layer(f"{each}.1", size, 1, 3, 3),
            dilation=dilation,
        )
        for i, (each, dilation) in enumerate(zip(names, _DILATIONS, strict=True))
    ]
    joined = o.layer_norm(_last(ops.concat(mixed, axis=1)), *weights.take_layer(f"{name}.join.0", n_groups * size))
    weight, bias = weights.take_layer(f"{name}.join.1", n, n_groups * size, 1, 1)
    return _first(o.linear(joined, weight[:, :, 0, 0], bias))


def _attend(settings: GraphSettings, weights: Weights, deepest: Node, frames: Node, valid_fraction: Node) -> Node:
    """Average the frames, weighted by attention over time: Q4 (Eq. 7)."""
    b, n, height, _ = o.sizes_of(deepest)
    score = o.linear(o.transpose(o.mean(deepest, 3), 0, 2, 1), weights.take("attention.score.weight", 1, n))
    scores = o.matmul(o.constant(o.interpolation_matrix(height, settings.n_frames)), score)  # (B, n_frames, 1)
    valid = o.reshape(o.valid_steps(valid_fraction, settings.n_frames), b, 1, settings.n_frames)
    masked = ops.select(valid, o.reshape(scores, b, 1, settings.n_frames), o.constant([[[_NEVER]]]))
    return o.reshape(o.matmul(ops.softmax(masked, axis=2), frames), b, settings.n_elements)


def _gap(x: Node, valid_fraction: Node) -> Node:
    """Compute Gap, the global average over valid positions: ``(B, C, H, W)`` → ``(B, C)``."""
    b, n, height, _ = o.sizes_of(x)
    weights = o.reshape(o.valid_weights(valid_fraction, height), b, height, 1)
    return o.reshape(o.matmul(o.mean(x, 3), weights), b, n)


def _gelu(x: Node) -> Node:
    return ops.gelu(x, "erf")


def _last(x: Node) -> Node:
    """Put the channels last."""
    return o.transpose(x, 0, 2, 3, 1)


def _first(x: Node) -> Node:
    """Put the channels first, after the batch."""
    return o.transpose(x, 0, 3, 1, 2)
