"""Weights as they are stored: in half precision, as safetensors, never a pickle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pcqtool.errors import ModelError


def learned(module: nn.Module) -> dict[str, Tensor]:
    """Give what training makes: parameters and running statistics. Windows and filter banks follow from the config."""
    parameters = {name for name, _ in module.named_parameters()}
    state: dict[str, Tensor] = module.state_dict()
    return {name: value for name, value in state.items() if name in parameters or ".running_" in name}


def to_half(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round weights to half precision, on the CPU.

    Raises:
        ModelError: if one does not fit into half precision, or is no number.
    """
    halves = {name: tensor.detach().to("cpu", torch.float16).contiguous() for name, tensor in weights.items()}
    for name, tensor in halves.items():
        if not tensor.isfinite().all():
            raise ModelError(f"{name} holds numbers that half precision cannot")
    return halves


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read all weights of a file.

    Raises:
        ModelError: if it is missing or damaged.
    """
    with reading(path):
        weights: dict[str, Tensor] = load_file(path)
    return weights


def check_weights(path: Path, weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Check that the weights of a model directory are those of its network.

    Raises:
        ModelError: if some are missing, superfluous, misshapen or not finite.
    """
    if missing := sorted(wanted.keys() - weights.keys()):
        raise ModelError(f"{path} does not fit its config.json: missing {', '.join(missing[:3])}")
    if superfluous := sorted(weights.keys() - wanted.keys()):
        raise ModelError(f"{path} does not fit its config.json: superfluous {', '.join(superfluous[:3])}")
    for name, tensor in weights.items():
        if tensor.shape != wanted[name].shape:
            raise ModelError(f"{path} does not fit its config.json: {name} has shape {tuple(tensor.shape)}")
        if not tensor.isfinite().all():
            raise ModelError(f"{path} is damaged: {name} holds numbers that are not finite")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what can go wrong in reading a file of weights into a ``ModelError``."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or "it is not there"
        raise ModelError(f"cannot read {path}: {reason}", "Is it a complete model directory?") from error
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged: {error}", "Copy its directory again.") from error
