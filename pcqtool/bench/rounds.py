"""Contenders in turn, round after round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pcqtool.bench.marks import Marks


@dataclass(frozen=True)
class Contender:
    """What is compared.

    Attributes:
        run: goes once through its recordings; gives ``Marks`` or anything else.
        audio_s: their length.
    """

    run: Callable[[], Any]
    audio_s: float


@dataclass(frozen=True)
class Outcome:
    """What a contender's rounds gave.

    Attributes:
        rates: times real time, of each round.
        marks: of the median round, where its time went.
    """

    rates: Sequence[float]
    marks: Marks | None = None

    @property
    def rate(self) -> float:
        """Times real time, by the median of the rounds."""
        return statistics.median(self.rates)


def in_turn(contenders: Mapping[str, Contender], rounds: int) -> dict[str, Outcome]:
    """Run all in turn, so that what else the machine does hits all alike; a first round warms them."""
    done: dict[str, list[tuple[float, Any]]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            started_s = time.perf_counter()
            given = contender.run()
            if number:
                done[name].append((contender.audio_s / (time.perf_counter() - started_s), given))
    return {name: _outcome(runs) for name, runs in done.items()}


def _outcome(runs: Sequence[tuple[float, Any]]) -> Outcome:
    _, given = sorted(runs, key=lambda run: run[0])[len(runs) // 2]
    return Outcome([rate for rate, _ in runs], given if isinstance(given, Marks) else None)
