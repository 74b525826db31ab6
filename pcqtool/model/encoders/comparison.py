"""Whether an encoder, or a module of it, computes the same as before: of a short sound, compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

SHORT_PROBE = 8000
"""Samples, half a second: enough for float32. In half precision other code may compute longer products, and a probe
should be as long as a segment."""


def probe_waves(n_samples: int) -> Tensor:
    """Make a rising tone in noise, ``(1, n_samples)``, always the same."""
    noise = torch.randn(n_samples, generator=torch.Generator().manual_seed(0))
    time_s = torch.arange(n_samples) / 16000
    tone = torch.sin(2 * torch.pi * (200 + 900 * time_s) * time_s)
    return (0.2 * tone + 0.05 * noise).unsqueeze(0)


def alike(states: Tensor, expected: Tensor, tolerance: float) -> bool:
    """Say whether each hidden state, of ``(B, S, T, D)`` in all, is what is expected.

    The error is relative: the norm of the difference by that of what is expected. What is no number is never alike.
    """
    return all(_error(*pair) <= tolerance for pair in zip(states.unbind(1), expected.unbind(1), strict=True))


@dataclass(frozen=True)
class Call:
    """What a module was given, and what it made of it."""

    module: nn.Module
    given: tuple[Any, ...]
    named: dict[str, Any]
    made: Any

    def alike(self, tolerance: float) -> bool:
        """Say whether the module, as it is now, makes the same of it, with a relative error within the tolerance."""
        return all(
            _error(new, old) <= tolerance
            for new, old in zip(_parts(self.module(*self.given, **self.named)), _parts(self.made), strict=False)
            if isinstance(new, Tensor) and isinstance(old, Tensor)
        )


@contextmanager
def recorded(modules: Iterable[nn.Module]) -> Iterator[list[Call]]:
    """Record what modules are called with meanwhile."""
    calls: list[Call] = []

    def record(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any], made: Any) -> None:
        calls.append(Call(module, given, named, made))

    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_hook(record, with_kwargs=True).remove)
        yield calls


def _parts(made: Any) -> tuple[Any, ...]:
    return made if isinstance(made, tuple) else (made,)


def _error(new: Tensor, old: Tensor) -> float:
    return float((new - old).norm() / old.norm().clamp_min(torch.finfo(torch.float32).tiny))
