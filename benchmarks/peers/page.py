"""The page's section about other programs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from benchmarks import cost
from benchmarks.markdown_page import table
from benchmarks.peers.measure import Conditions, Measured

HEADING = "## Other programs"
SPEED = ("program", "× real time, median (range)", "seconds per hour", "start-up, s (range)", "memory, MB")
ABOUT = ("program", "the call that is timed", "parameters", "versions", "licence")
NOTE = (
    "Made by `python -m benchmarks.peers`. Each program ran in a process of its own, in turn, {n} times, on the same "
    "{files} recordings ({minutes:.1f} min) and {cores} cores: as many threads, or as many processes for openSMILE. "
    "Start-up ends when the first recordings are done, one a core; the other figures are from then on. Memory is that "
    "of all processes of a program together."
)
RANDOM = (
    "Programs with a number of parameters have random weights of the published sizes, in float32: speed does not "
    "depend on their values. They take one recording at a time, as their documentation or their own code has it on a "
    "CPU. Whisper's pipeline pads each recording to 30 s. openSMILE computes features, not emotions."
)


def write_section(
    found: Sequence[Measured], conditions: Conditions, audio_s: float, machine: str, price_usd: float = cost.PRICE_USD
) -> str:
    """Return the measurements as a section of a page.

    Args:
        found: the programs; those that are not installed have a row that says how to install them.
        conditions: what they ran on.
        audio_s: length of the recordings together.
        machine: the processor, and the precision that pcqtool computed in.
        price_usd: price of a core-hour.
    """
    n_runs = max((len(measured.runs_s) for measured in found), default=0)
    note = NOTE.format(n=n_runs, files=len(conditions.files), minutes=audio_s / 60.0, cores=conditions.n_cores)
    return "\n".join(
        [
            f"{HEADING}\n",
            f"{note} {machine}.\n",
            f"{RANDOM} {cost.price_note(price_usd)}\n",
            table((*SPEED, *cost.HEAD), (_speed(each, conditions, audio_s, price_usd) for each in found)),
            _about_table(found, conditions),
        ]
    )


def _speed(measured: Measured, conditions: Conditions, audio_s: float, price_usd: float) -> tuple[str, ...]:
    if measured.missing is not None:
        return measured.peer.name, "not installed", *("–",) * (len(SPEED) + len(cost.HEAD) - 2)
    rate = audio_s / measured.run_s
    rates = [audio_s / run_s for run_s in measured.runs_s]
    return (
        measured.peer.name,
        f"{rate:,.1f} ({min(rates):,.1f} to {max(rates):,.1f})",
        f"{3600.0 / rate:,.1f}",
        _spread(measured.start_ups_s),
        f"{measured.peak_mb:,.0f}",
        *cost.cost_cells(rate, conditions.n_cores, price_usd),
    )


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def _about_table(found: Sequence[Measured], conditions: Conditions) -> str:
    lines = [f"| {' | '.join(ABOUT)} |", "| --- | --- | ---: | --- | --- |"]
    lines += [f"| {' | '.join(cells)} |" for cells in _about_rows(found, conditions)]
    return "\n".join(lines) + "\n"


def _about_rows(found: Sequence[Measured], conditions: Conditions) -> Iterable[tuple[str, ...]]:
    for measured in found:
        peer, n = measured.peer, measured.n_parameters
        versions = ", ".join(f"{package} {version}" for package, version in measured.versions.items())
        if measured.missing is not None:
            versions = f"without module {measured.missing}; to install: `{peer.installing(conditions.folder)}`"
        yield peer.name, f"`{peer.call}`", "–" if n is None else f"{n / 1e6:.1f} M", versions, peer.license
