"""The cost of labelling: core-hours and money for 1,000 hours of audio."""

from __future__ import annotations

from typing import Annotated

import typer

HOURS = 1000.0
"""Hours of audio that costs are of."""

PRICE_USD = 0.04
"""Price of a core-hour that stands in for the reader's own."""

HEAD = (f"core-hours per {HOURS:,.0f} h", f"USD per {HOURS:,.0f} h")
"""Headings of the columns of ``cost_cells``."""

Price = Annotated[
    float,
    typer.Option("--price-per-core-hour", min=0.0, metavar="USD", help="Price of a core for an hour: put in yours."),
]


def core_hours(rate: float, n_cores: int) -> float:
    """Return the core-hours for 1,000 hours of audio.

    Args:
        rate: times real time.
        n_cores: cores that are kept for it, busy or not.
    """
    return HOURS / rate * n_cores


def cost_cells(rate: float, n_cores: int, price_usd: float) -> tuple[str, str]:
    """Return core-hours, and what they cost at a price for each, as cells of a table."""
    hours = core_hours(rate, n_cores)
    return f"{hours:,.1f}", f"{hours * price_usd:,.2f}"


def price_note(price_usd: float) -> str:
    """Return what a page must say about its costs."""
    return (
        f"Cost is that of cores kept for the run, busy or not, at {price_usd:g} USD a core-hour, which stands in for "
        "your own price (`--price-per-core-hour`). Energy is not measured."
    )
