"""Operations of graphs: OpenVINO's, with weights as constants, and linear maps that torch computes as functions.

Tensors have the shapes that torch's functions of the same names have. Sizes are known when a graph is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import openvino.opset15 as ops
from numpy.typing import NDArray

Node = Any
"""A tensor of the graph; openvino has no types for its operations."""

Array = NDArray[np.float32]

_EPS = 1e-5  # of layer normalisation, as in torch


def constant(values: Any) -> Node:
    """Return constant floats."""
    return ops.constant(np.asarray(values, np.float32, order="C"))


def integers(*values: int) -> Node:
    """Return constant integers ``(n,)``."""
    return ops.constant(np.array(values, np.int64))


def sizes_of(x: Node) -> list[int]:
    """Return the sizes of a tensor."""
    return [int(size) for size in x.output(0).get_shape()]


def reshape(x: Node, *sizes: int) -> Node:
    """Change the sizes of a tensor."""
    return ops.reshape(x, integers(*sizes), special_zero=False)


def transpose(x: Node, *order: int) -> Node:
    """Permute the dimensions."""
    return ops.transpose(x, integers(*order))


def cut(x: Node, axis: int, start: int, stop: int) -> Node:
    """Return a part of a tensor along one dimension."""
    return ops.slice(x, integers(start), integers(stop), integers(1), integers(axis))


def pad_steps(x: Node, before: int, after: int) -> Node:
    """Add zeros to ``(B, T, D)`` in time."""
    return ops.pad(x, integers(0, before, 0), integers(0, after, 0), "constant", constant(0.0))


def matmul(x: Node, y: Node) -> Node:
    """Multiply matrices, in batches."""
    return ops.matmul(x, y, transpose_a=False, transpose_b=False)


def linear(x: Node, weight: Array, bias: Array | None = None) -> Node:
    """Compute a linear layer, of a weight ``(out, in)``."""
    product = ops.matmul(x, constant(weight), transpose_a=False, transpose_b=True)
    return product if bias is None else ops.add(product, constant(bias))


def layer_norm(x: Node, weight: Array | None = None, bias: Array | None = None) -> Node:
    """Normalise the last dimension."""
    normed = ops.mvn(x, integers(-1), normalize_variance=True, eps=_EPS, eps_mode="inside_sqrt")
    return normed if weight is None else ops.add(ops.multiply(normed, constant(weight)), constant(bias))


def convolve(x: Node, weight: Array, bias: Array | None = None, stride: int = 1, dilation: int = 1) -> Node:
    """Convolve ``(B, C, H, W)`` with a weight ``(out, in / groups, h, w)``; padding keeps the size.

    A weight of one input channel for an input of several is depthwise.
    """
    padding = [dilation * (size // 2) for size in weight.shape[2:]]
    settings = ([stride, stride], padding, padding, [dilation, dilation])
    if weight.shape[1] == 1 and sizes_of(x)[1] > 1:
        result = ops.group_convolution(x, constant(weight[:, None]), *settings)
    else:
        result = ops.convolution(x, constant(weight), *settings)
    return result if bias is None else ops.add(result, constant(bias[None, :, None, None]))


def mean(x: Node, *axes: int) -> Node:
    """Average over some dimensions, which vanish."""
    return ops.reduce_mean(x, integers(*axes), keep_dims=False)


def valid_steps(valid_fraction: Node, n_steps: int) -> Node:
    """Return which of ``n_steps`` begin within the valid fraction ``(B, 1)``: booleans ``(B, n_steps)``."""
    steps = np.arange(n_steps, dtype=np.float32)[None]
    begun = ops.less(constant(steps), ops.multiply(valid_fraction, constant(float(n_steps))))
    return ops.logical_or(begun, ops.constant(steps == 0))


def valid_weights(valid_fraction: Node, n_steps: int) -> Node:
    """Return equal weights of the valid steps, 0 for the others: ``(B, n_steps)``, of sum 1."""
    valid = ops.convert(valid_steps(valid_fraction, n_steps), "f32")
    return ops.divide(valid, ops.reduce_sum(valid, integers(1), keep_dims=True))


def averaging_matrix(n_in: int, size: int) -> Array:
    """Return the matrix ``(ceil(n_in / size), n_in)`` that averages every ``size`` steps, and the rest."""
    bounds = [*range(0, n_in, size), n_in]
    return _averages(n_in, list(pairwise(bounds)))


def adaptive_averaging_matrix(n_in: int, n_out: int) -> Array:
    """Return the matrix ``(n_out, n_in)`` of torch's ``adaptive_avg_pool1d``."""
    return _averages(n_in, [(i * n_in // n_out, -(-(i + 1) * n_in // n_out)) for i in range(n_out)])


def interpolation_matrix(n_in: int, n_out: int) -> Array:
    """Return the matrix ``(n_out, n_in)`` of linear interpolation between aligned ends."""
    matrix = np.zeros((n_out, n_in), np.float32)
    rows, positions = np.arange(n_out), np.linspace(0, n_in - 1, n_out)
    low = np.floor(positions).astype(int)
    matrix[rows, low] += 1 - (positions - low)
    matrix[rows, np.minimum(low + 1, n_in - 1)] += positions - low
    return matrix


def _averages(n_in: int, ranges: Sequence[tuple[int, int]]) -> Array:
    matrix = np.zeros((len(ranges), n_in), np.float32)
    for row, (start, stop) in zip(matrix, ranges, strict=True):
        row[start:stop] = 1 / (stop - start)
    return matrix
