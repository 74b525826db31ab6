"""Reading and checking stored weights: in half precision, as safetensors, never as a pickle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from pcqtool.errors import ModelError
from pcqtool.model.untrusted_files import open_regular, printable, short_repr

FLOATS = ("F16", "BF16", "F32", "F64")
_HEADER_LIMIT = 8 * 2**20
"""Bytes; a header has about a hundred per tensor."""
_EXACT = "standardisation."  # names of tensors that are stored in float32


def learned_state(module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and running statistics; other buffers, such as filter banks, follow from the config."""
    parameters = {name for name, _ in module.named_parameters()}
    state: dict[str, Tensor] = module.state_dict()
    return {name: value for name, value in state.items() if name in parameters or ".running_" in name}


def to_half(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert weights to half precision on the CPU.

    The statistics of standardisation stay in float32: variances are small differences of their squares.

    Raises:
        ModelError: if a value is outside the range of half precision, or NaN.
    """
    halves = {
        name: tensor.detach().to("cpu", torch.float32 if name.startswith(_EXACT) else torch.float16).contiguous()
        for name, tensor in weights.items()
    }
    for name, tensor in halves.items():
        if not tensor.isfinite().all():
            raise ModelError(f"{name} contains values outside the range of half precision")
    return halves


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read all weights of a file.

    Raises:
        ModelError: if it is missing or damaged, or contains values that are not finite.
    """
    with checked_file(path):
        weights: dict[str, Tensor] = load_file(path)
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise ModelError(f"{path} is damaged: {name} contains values that are not finite")
    return weights


def check_weights(path: Path, expected: Mapping[str, Tensor]) -> None:
    """Check by the file's header alone that a model's weights fit its network.

    Raises:
        ModelError: if the file is missing or damaged, or a tensor is missing, unexpected, or of a wrong shape or type.
    """
    mismatch = f"{path} does not fit its config.json:"
    with checked_file(path), safe_open(path, framework="pt") as file:
        names = set(file.keys())
        if missing := sorted(expected.keys() - names):
            raise ModelError(f"{mismatch} missing {', '.join(missing[:3])}")
        if unexpected := sorted(names - expected.keys()):
            raise ModelError(f"{mismatch} unexpected {', '.join(map(printable, unexpected[:3]))}")
        for name in names:
            found = file.get_slice(name)
            if (shape := tuple(found.get_shape())) != expected[name].shape:
                raise ModelError(f"{mismatch} {name} has shape {short_repr(shape)}")
            if (kind := found.get_dtype()) not in FLOATS:
                raise ModelError(f"{path} is damaged: {name} contains {kind} instead of floating-point numbers")


@contextmanager
def checked_file(path: Path) -> Iterator[None]:
    """Check the length of a weight file's header, and convert errors of reading it into a ``ModelError``."""
    try:
        with open_regular(path) as file:
            if int.from_bytes(file.read(8), "little") > _HEADER_LIMIT:
                raise ModelError(f"{path} is damaged: its header is too long", "Copy its directory again.")
        yield
    except OSError as error:
        reason = error.strerror or "it does not exist"
        raise ModelError(f"cannot read {path}: {reason}", "Is it a complete model directory?") from error
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged: {error}", "Copy its directory again.") from error
