"""The check of a network's class."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pcqtool.errors import ModelError
from pcqtool.model.conformance import network_problems
from pcqtool.model.network import AnyNetwork, NetworkConfig, NetworkOutput, TrainingBatch
from pcqtool.model.network_settings import network_config_to_json, parse_settings
from pcqtool.model.weights import to_half
from pcqtool.networks.testing.probe import batch_problems, differ, pickle_problems, probe
from pcqtool.plugins.conformance_error import ConformanceError

LABELS = ("anger", "neutral", "sadness")


def check_network(network: type[AnyNetwork], **settings: Any) -> AnyNetwork:
    """Check that a class fulfils the contract of ``pcqtool.networks.Network``, on artificial segments.

    The check covers the settings, which must survive a recipe and a model directory; the front end, which must depend
    on nothing but the segment and the declared settings; the classifier's outputs for short, padded and silent
    segments; ``prepare``; one training step, with finite gradients; and saving, after which a reloaded network must
    predict the same.

    Args:
        network: the class.
        settings: settings that differ from the defaults, such as sizes that are quick to test.

    Returns:
        The network, trained for one step, for further assertions.

    Raises:
        ConformanceError: with all problems; it is an ``AssertionError``.
    """
    problems = list(network_problems(network))
    if problems:
        raise ConformanceError(network, "network", problems)
    try:
        config = network.config_class(LABELS, **settings)
        torch.manual_seed(0)
        model = network(config).eval()
        problems += _settings_problems(config, settings)
        problems += _building_problems(network, config)
        stages: tuple[Callable[[], Iterable[str]], ...] = (
            lambda: _front_end_problems(network, model),
            lambda: _output_problems(model),
            lambda: _training_problems(model),
            lambda: _storing_problems(network, model),
            lambda: pickle_problems(model),
        )
        for stage in stages:
            if not problems:
                problems += stage()
    except Exception as error:
        raise ConformanceError(network, "network", [*problems, f"{type(error).__name__}: {error}"]) from error
    if problems:
        raise ConformanceError(network, "network", problems)
    return model


def _settings_problems(config: NetworkConfig, settings: dict[str, Any]) -> Iterator[str]:
    entries = json.loads(json.dumps(network_config_to_json(config)))
    if parse_settings(type(config), entries, labels=config.labels) != config:
        yield "its settings change when they are written as JSON and read again"
    try:
        hash(config)
    except TypeError:
        if not any(each.name == "encoder" for each in fields(config)):
            yield "its settings have a value that can change, such as a list: use a tuple"
    try:
        type(config)(("anger", "anger"), **settings)
        yield "its settings accept the same label twice: call super().__post_init__() in __post_init__"
    except ModelError:
        pass


def _building_problems(network: type[AnyNetwork], config: NetworkConfig) -> Iterator[str]:
    """A model directory is checked with a network on the meta device, before any memory is allocated for weights."""
    try:
        with torch.device("meta"):
            shapes = {name: value.shape for name, value in network(config).stored_state().items()}
    except Exception as error:
        yield f"it cannot be built on the meta device, without values: {type(error).__name__}: {error}"
        return
    if shapes != {name: value.shape for name, value in network(config).stored_state().items()}:
        yield "its weights have other names or shapes on the meta device"


def _front_end_problems(network: type[AnyNetwork], model: AnyNetwork) -> Iterator[str]:
    waves, lengths = probe()

    def compute(rows: slice, model: AnyNetwork = model) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            return model.front_end(waves[rows], lengths[rows])

    found = compute(slice(None))
    if not isinstance(found, tuple) or not found or not all(isinstance(each, Tensor) for each in found):
        yield "front_end must return a tuple of tensors"
        return
    kinds = (torch.float16, torch.float32, torch.float64)  # those that numpy has: the cache consists of its files
    if any(len(each) != len(waves) or each.dtype not in kinds for each in found):
        yield f"front_end must return float16, float32 or float64 with the batch's first dimension, {len(waves)} here"
        return
    yield from batch_problems("the output of front_end", compute, len(waves))
    torch.manual_seed(1)
    if any(map(differ, found, compute(slice(None), _rebuild(model, model.config)))):
        yield "front_end depends on random weights: trained weights belong to classify"
    for name, other in _other_settings(model):
        if len(changed := compute(slice(None), other)) != len(found) or any(map(differ, found, changed)):
            yield f"front_end depends on the setting {name!r}, which front_end_settings does not name"
    for number in network.spectrograms:
        if number >= len(found) or found[number].ndim not in (3, 4):
            yield f"output {number} of front_end, named in spectrograms, is not (B, T, F) or (B, C, T, F)"


def _rebuild(model: AnyNetwork, config: NetworkConfig) -> AnyNetwork:
    """Build a network of the same class, with the same frozen encoder: training gives all of them the loaded one."""
    other = type(model)(config).eval()
    if config.encoder.frozen:
        other.encoder = model.encoder
    return other


def _other_settings(model: AnyNetwork) -> Iterator[tuple[str, AnyNetwork]]:
    """Yield networks with another value of a setting that the front end claims not to depend on."""
    config = model.config
    if model.front_end_settings is None:
        return
    for each in fields(config):
        value = getattr(config, each.name)
        if each.name == "labels" or each.name in model.front_end_settings or not isinstance(value, int | float):
            continue
        try:
            other = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else value / 2
            changed: dict[str, Any] = {each.name: other}
            yield each.name, _rebuild(model, replace(config, **changed))
        except Exception:  # noqa: S112  (the value is not permitted)
            continue


def _output_problems(model: AnyNetwork) -> Iterator[str]:
    waves, lengths = probe()
    with torch.inference_mode():
        output = model(waves, lengths)
    if not isinstance(output, NetworkOutput):
        yield f"classify must return a NetworkOutput, not a {type(output).__name__}"
        return
    if tuple(output.logits.shape) != (len(waves), len(LABELS)):
        yield f"logits have the shape {list(output.logits.shape)}, not {[len(waves), len(LABELS)]}"
    if output.embedding.ndim != 2 or len(output.embedding) != len(waves):
        yield f"the embedding has the shape {list(output.embedding.shape)}, not [{len(waves)}, F]"

    def compute(rows: slice) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            logits, embedding = model(waves[rows], lengths[rows])[:2]
            return logits, embedding

    yield from batch_problems("the output of classify", compute, len(waves))


def _training_problems(model: AnyNetwork) -> Iterator[str]:
    """Prepare the network and take a step."""
    waves, lengths = probe()
    targets = torch.arange(len(waves)) % len(LABELS)
    with torch.no_grad():
        inputs = model.encode_inputs(waves, lengths)
        batch = TrainingBatch(inputs.features, lengths / waves.shape[1], targets, torch.arange(len(waves)))
        before = model.predict(inputs).logits
        model.prepare([batch._replace(**_rows(batch, rows)) for rows in (slice(0, 4), slice(4, None))])
        prepared = model.predict(inputs).logits
    if not prepared.isfinite().all():
        yield "after prepare, logits are not finite"
        return
    if not model.is_fitted_by_gradients:
        if torch.equal(before, prepared):
            yield "it has no parameters to train, and prepare does not change its predictions"
        return
    optimiser = torch.optim.SGD(model.parameters(), 0.01)
    loss = functional.cross_entropy(model.train().predict(inputs).logits.float(), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [each.grad for each in model.parameters() if each.grad is not None]
    if not gradients:
        yield "no parameter gets a gradient"
    elif not all(each.isfinite().all() for each in gradients):
        yield "a gradient is not finite"
    else:
        optimiser.step()
    model.eval()


def _rows(batch: TrainingBatch, rows: slice) -> dict[str, Any]:
    parts = {name: getattr(batch, name)[rows] for name in ("valid_fraction", "targets", "recording")}
    return {"inputs": tuple(each[rows] for each in batch.inputs), **parts}


def _storing_problems(network: type[AnyNetwork], model: AnyNetwork) -> Iterator[str]:
    """Store the network as a model directory does, and compare the reloaded one."""
    waves, lengths = probe()
    weights = {name: each.float() for name, each in to_half(model.stored_state(), model.stored_exactly()).items()}
    torch.manual_seed(2)
    reloaded, rounded = network(model.config).eval(), copy.deepcopy(model)
    for each in (reloaded, rounded):
        each.load_state_dict(weights, strict=False)
    with torch.inference_mode():
        wanted, found = rounded(waves, lengths), reloaded(waves, lengths)
    if not torch.equal(wanted.logits, found.logits) or not torch.equal(wanted.embedding, found.embedding):
        yield "a reloaded network predicts something else: what prepare or training sets must be parameters or buffers"
    if any(not each.isfinite().all() for each in found[:2]):
        yield "in half precision, its outputs are not finite"
