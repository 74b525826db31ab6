"""The rule that makes events of neighbouring segments; apart, so that the command line can name its defaults."""

from __future__ import annotations

from dataclasses import dataclass

HYSTERESIS = 0.75
"""An event goes on while its label's probability is at least this fraction of the one that it needs to begin."""


@dataclass(frozen=True)
class EventRule:
    """When neighbouring cells become an event.

    Attributes:
        confidence: probability of a label at which an event begins, above 0.
        min_duration_s: shorter events are left out.
        gap_s: two events of one label that are not further apart are one.
    """

    confidence: float = 0.5
    min_duration_s: float = 1.0
    gap_s: float = 1.0
