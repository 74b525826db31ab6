"""The check of an encoder's class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from pcqtool.model.conformance import encoder_problems
from pcqtool.model.encoders import Encoder, EncoderConfig
from pcqtool.networks.testing.probe import batch_problems, pickle_problems, probe
from pcqtool.plugins.conformance_error import ConformanceError


def check_encoder(encoder: type[Encoder], architecture: Mapping[str, Any] | None = None, kind: str = "none") -> Encoder:
    """Check that a class fulfils the contract of ``pcqtool.networks.Encoder``, on artificial segments.

    The check covers the hidden states of the first and the last layer: shapes, finite values for short and silent
    segments, the same in every batch and every time; freezing; the width of mixed and concatenated layers; gradients;
    and saving.

    Args:
        encoder: the class.
        architecture: settings of the encoder, such as sizes that are quick to test.
        kind: the registered name, for a class that uses it.

    Returns:
        The encoder, frozen, for further assertions.

    Raises:
        ConformanceError: with all problems; it is an ``AssertionError``.
    """
    problems = list(encoder_problems(encoder))
    if problems:
        raise ConformanceError(encoder, "encoder", problems)

    def build(layers: tuple[int, ...], **options: bool) -> Encoder:
        torch.manual_seed(0)
        return encoder(EncoderConfig(kind, architecture or {}, layers, **options)).eval()

    try:
        frozen = build((0, -1), frozen=True, concat_layers=True).freeze()
        problems += _state_problems(frozen)
        if not problems:
            problems += _width_problems(frozen, build((0, -1)), build((-1,)))
            problems += _freezing_problems(frozen, build((0, -1), frozen=True).freeze())
            problems += _training_problems(build((0, -1)))
            problems += _storing_problems(frozen, build((0, -1), frozen=True, concat_layers=True))
    except Exception as error:
        raise ConformanceError(encoder, "encoder", [*problems, f"{type(error).__name__}: {error}"]) from error
    if problems:
        raise ConformanceError(encoder, "encoder", problems)
    return frozen


def _state_problems(encoder: Encoder) -> Iterator[str]:
    waves, _ = probe()
    for name in ("dim", "n_layers"):
        if type(getattr(encoder, name, None)) is not int or getattr(encoder, name) < 1:
            yield f"{name} must be set in __init__, to a positive whole number"
            return
    if encoder.layer_indices() != (0, encoder.n_layers):
        yield f"layers 0 and -1 are {encoder.layer_indices()}, not (0, {encoder.n_layers})"
    with torch.inference_mode():
        states = encoder.hidden_states(encoder.front_end(waves))
    if not isinstance(states, list) or len(states) != 2 or not all(isinstance(each, Tensor) for each in states):
        yield "hidden_states must return a list with a tensor for each of layer_indices()"
        return
    shapes = [tuple(each.shape) for each in states]
    if any(len(shape) != 3 or (shape[0], shape[2]) != (len(waves), encoder.dim) for shape in shapes):
        yield f"hidden states have the shapes {shapes}, not ({len(waves)}, T, {encoder.dim})"
        return
    if shapes[0] != shapes[1]:
        yield f"hidden states of different layers have {shapes[0][1]} and {shapes[1][1]} frames"
        return

    def compute(rows: slice) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            return (encoder.encode(waves[rows]),)

    if tuple(compute(slice(None))[0].shape) != (len(waves), 2, *shapes[0][1:]):
        yield "encode must return the hidden states side by side, (B, S, T, dim)"
        return
    yield from batch_problems("the output of encode", compute, len(waves))


def _width_problems(joined: Encoder, mixed: Encoder, single: Encoder) -> Iterator[str]:
    waves, _ = probe()
    for name, encoder, width in (
        ("of two layers side by side", joined, 2 * joined.dim),
        ("of a mix of layers", mixed, mixed.dim),
        ("of one layer", single, single.dim),
    ):
        with torch.inference_mode():
            frames = encoder(encoder.front_end(waves))
        if (encoder.width, frames.shape[2]) != (width, width):
            yield f"frames {name} have {frames.shape[2]} elements, and width is {encoder.width}, not {width}"


def _freezing_problems(frozen: Encoder, mixed: Encoder) -> Iterator[str]:
    if any(each.requires_grad for each in frozen.parameters()) or frozen.train().training:
        yield "a frozen encoder can be trained: call super().__init__(config) and leave freeze and train as they are"
    if [name for name, each in mixed.named_parameters() if each.requires_grad] != ["mix"]:
        yield "of a frozen encoder with several layers, only mix is trained"


def _training_problems(encoder: Encoder) -> Iterator[str]:
    waves, _ = probe()
    if all(name == "mix" for name, _ in encoder.named_parameters()):
        return
    encoder.train()(encoder.front_end(waves)).square().mean().backward()
    gradients = [each.grad for name, each in encoder.named_parameters() if name != "mix" and each.grad is not None]
    if not gradients:
        yield "no weight gets a gradient, if the encoder is trained"
    elif not all(each.isfinite().all() for each in gradients):
        yield "a gradient is not finite"


def _storing_problems(encoder: Encoder, other: Encoder) -> Iterator[str]:
    waves, _ = probe()
    other.load_state_dict(encoder.state_dict())
    with torch.inference_mode():
        if not torch.equal(encoder.encode(waves), other.encode(waves)):
            yield "a reloaded encoder computes something else: what it needs must be parameters or buffers"
    yield from pickle_problems(encoder)
