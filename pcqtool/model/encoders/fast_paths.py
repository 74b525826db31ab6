"""Quicker ways that parts of an encoder can take, each of which can be left again; and which of them to take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from pcqtool.model.encoders.comparison import Call, alike, recorded
from pcqtool.model.memory import memory_told

EXACT, ROUNDED = 1e-3, 0.05
"""Tolerances: sums in another order come to some 1e-6; a module's rounding to bfloat16 to 0.02 at most."""


@dataclass(frozen=True)
class Way:
    """A quicker way that a part of an encoder can take.

    Attributes:
        name: the part and the way, for the user.
        modules: the part.
        take: makes the part go it.
        leave: brings the part back to what it was.
        tolerance: the largest relative error that is none.
    """

    name: str
    modules: Sequence[nn.Module]
    take: Callable[[], object]
    leave: Callable[[], object]
    tolerance: float = EXACT


@torch.no_grad()
def settle(ways: Sequence[Way], hear: Callable[[], Tensor]) -> tuple[str, ...]:
    """Take the ways in which an encoder computes what it does without them.

    Each module of a way is compared by itself, on what it is given while the encoder hears a sound; and at the end
    the encoder's states. Where these differ, though no module does, none of the ways is taken.

    Args:
        ways: none of which is taken yet.
        hear: computes the states ``(B, S, T, D)`` of the sound.

    Returns:
        The names of those that were not taken.
    """
    if not ways:
        return ()
    with recorded({module for way in ways for module in way.modules}) as calls:
        expected = hear()
    taken = []
    for way in ways:
        way.take()
        if _works(partial(_same, way, calls)):
            taken.append(way)
        else:
            way.leave()
    if not _works(lambda: alike(hear(), expected, 2 * max(way.tolerance for way in ways))):
        for way in taken:
            way.leave()
        taken = []
    return tuple(way.name for way in ways if way not in taken)


def _same(way: Way, calls: Sequence[Call]) -> bool:
    return all(call.alike(way.tolerance) for call in calls if call.module in way.modules)


def _works(agrees: Callable[[], bool]) -> bool:
    """Say whether ways agree; those for which torch has no code on this processor do not."""
    try:
        with memory_told():
            return agrees()
    except RuntimeError:
        return False
