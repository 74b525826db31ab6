"""Optimisations of an encoder that are only kept if the encoder's outputs do not change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pcqtool.model.device import raising_memory_errors

EXACT, ROUNDED = 1e-3, 0.05
"""Tolerances: a different order of summation causes errors of about 1e-6, bfloat16 in one module 0.02 at most."""

SHORT_PROBE_SAMPLES = 8000
"""Half a second is enough for float32. In half precision, long products may run different code: use whole segments."""


@dataclass(frozen=True)
class Optimisation:
    """A reversible optimisation of some modules of an encoder.

    Attributes:
        name: description for the user.
        modules: the modules it affects.
        apply: applies it.
        revert: restores the original modules.
        tolerance: largest acceptable relative error.
    """

    name: str
    modules: Sequence[nn.Module]
    apply: Callable[[], object]
    revert: Callable[[], object]
    tolerance: float = EXACT


@torch.no_grad()
def apply_verified(optimisations: Sequence[Optimisation], encode: Callable[[], Tensor]) -> tuple[str, ...]:
    """Apply the optimisations under which the encoder's outputs for a test signal stay the same.

    Each affected module is compared separately, on its inputs while the encoder processes the signal; at the end, the
    encoder's hidden states are compared. If those differ although no module does, all optimisations are reverted.

    Args:
        optimisations: none of them applied yet.
        encode: computes the hidden states ``(B, S, T, D)`` of the signal.

    Returns:
        The names of the rejected optimisations.
    """
    if not optimisations:
        return ()
    with record_calls({module for each in optimisations for module in each.modules}) as calls:
        expected = encode()
    applied = []
    for each in optimisations:
        each.apply()
        if _runs_and_agrees(partial(_modules_agree, each, calls)):
            applied.append(each)
        else:
            each.revert()
    tolerance = 2 * max(each.tolerance for each in optimisations)
    if not _runs_and_agrees(lambda: states_agree(encode(), expected, tolerance)):
        for each in applied:
            each.revert()
        applied = []
    return tuple(each.name for each in optimisations if each not in applied)


def probe_waves(n_samples: int) -> Tensor:
    """Generate the test signal ``(1, n_samples)``: a rising tone in noise, always the same."""
    noise = torch.randn(n_samples, generator=torch.Generator().manual_seed(0))
    time_s = torch.arange(n_samples) / 16000
    tone = torch.sin(2 * torch.pi * (200 + 900 * time_s) * time_s)
    return (0.2 * tone + 0.05 * noise).unsqueeze(0)


def states_agree(states: Tensor, expected: Tensor, tolerance: float) -> bool:
    """Compare hidden states ``(B, S, T, D)`` layer by layer.

    The error is the norm of the difference relative to the norm of the expected states. NaN never agrees.
    """
    return all(_error(*pair) <= tolerance for pair in zip(states.unbind(1), expected.unbind(1), strict=True))


@dataclass(frozen=True)
class RecordedCall:
    """Inputs and output of one call of a module."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Any

    def agrees(self, tolerance: float) -> bool:
        """Call the module again and compare its output with the recorded one."""
        return all(
            _error(new, old) <= tolerance
            for new, old in zip(_as_tuple(self.module(*self.args, **self.kwargs)), _as_tuple(self.output), strict=False)
            if isinstance(new, Tensor) and isinstance(old, Tensor)
        )


@contextmanager
def record_calls(modules: Iterable[nn.Module]) -> Iterator[list[RecordedCall]]:
    """Record all calls of some modules while the context is open."""
    calls: list[RecordedCall] = []

    def record(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        calls.append(RecordedCall(module, args, kwargs, output))

    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_hook(record, with_kwargs=True).remove)
        yield calls


def _modules_agree(optimisation: Optimisation, calls: Sequence[RecordedCall]) -> bool:
    return all(call.agrees(optimisation.tolerance) for call in calls if call.module in optimisation.modules)


def _runs_and_agrees(agrees: Callable[[], bool]) -> bool:
    """Return whether a comparison succeeds; it fails if torch has no code for the computation on this processor."""
    try:
        with raising_memory_errors():
            return agrees()
    except RuntimeError:
        return False


def _as_tuple(output: Any) -> tuple[Any, ...]:
    return output if isinstance(output, tuple) else (output,)


def _error(new: Tensor, old: Tensor) -> float:
    return float((new - old).norm() / old.norm().clamp_min(torch.finfo(torch.float32).tiny))
