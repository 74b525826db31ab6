"""The optimiser, AdamW, and the schedule of the learning rate."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pcqtool.model.network import AnyNetwork
from pcqtool.training.recipe import Recipe

_LAYER = re.compile(r"\.layers\.(\d+)\.")


def make_optimiser(model: AnyNetwork, recipe: Recipe) -> torch.optim.AdamW:
    """Return AdamW with separate learning rates for a pre-trained encoder, and without decay of biases and scales."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    top = max((number for name, _ in model.named_parameters() if (number := _layer(name)) is not None), default=0)
    for name, parameter in model.named_parameters():
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        if parameter.requires_grad:
            groups.setdefault((_lr(name, model, recipe, top), decay), []).append(parameter)
    if not groups:  # a network that ``prepare`` trains
        groups[(recipe.lr, 0.0)] = [nn.Parameter(torch.zeros(0))]
    return torch.optim.AdamW(
        [{"params": params, "lr": lr, "weight_decay": decay} for (lr, decay), params in groups.items()]
    )


def restore_optimiser(optimiser: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Restore the state of an optimiser, whose keys may have become strings, in the weights' memory format.

    Sums over a restored moment then round as before.
    """
    moments = {int(number): entries for number, entries in state["state"].items()}
    optimiser.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
    for parameter, entries in optimiser.state.items():
        for name, value in entries.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.ndim:
                entries[name] = torch.empty_like(parameter).detach().copy_(value)


def lr_factor(warmup_steps: int, n_steps: int, schedule: str = "cosine") -> Callable[[int], float]:
    """Return a step's factor on the learning rate: a linear warm-up, then a fall along a cosine, or none."""

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / max(1, warmup_steps))
        if schedule == "constant":
            return rise
        return rise * max(1e-3, 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / n_steps))))

    return factor


def _lr(name: str, model: AnyNetwork, recipe: Recipe, top: int) -> float:
    """Return a parameter's learning rate: lower for an encoder's lower layers, lowest outside its layers."""
    if model.encoder is None or not model.encoder.is_pretrained or not _is_pretrained(name):
        return recipe.lr
    number = _layer(name)
    below = top - number if number is not None else top + 1
    return recipe.encoder_lr * recipe.layer_decay**below


def _layer(name: str) -> int | None:
    """Return the number of the encoder's layer that a parameter belongs to; None outside the layers."""
    found = _LAYER.search(name) if _is_pretrained(name) else None
    return int(found[1]) if found else None


def _is_pretrained(name: str) -> bool:
    """Whether a parameter is one of a pre-trained encoder; ``mix``, its layers' weights, is not."""
    return name.startswith("encoder.") and name != "encoder.mix"
