"""Progress of long work, as every function of the package reports it to its caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a piece of work is.

    Attributes:
        done: amount of work that is finished.
        total: amount of work in all; None if it is not known.
        unit: what is counted, in the plural: ``files``, ``segments encoded``, ``epochs``, ``folds``.
        note: a few words on the latest step, such as ``loss 0.412``.
    """

    done: float
    total: float | None
    unit: str
    note: str = ""


OnProgress = Callable[[Progress], None]
"""Is called in the thread that does the work, first with ``done = 0``."""


def ignore(progress: Progress) -> None:
    """Discard the progress."""
