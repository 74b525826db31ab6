"""What a full-size model is meant to reach, and what of it was measured."""

from __future__ import annotations

from typing import NamedTuple

from pcqtool.bench.bench import Result
from pcqtool.bench.contenders import PLAIN_LOOP, VAD_OFF


class Goal(NamedTuple):
    """A goal.

    Attributes:
        name: what is meant.
        least: what it should be at least.
        measured: what it is; ``None`` where this run cannot say.
        form: how to write both numbers.
    """

    name: str
    least: float
    measured: float | None
    form: str


def goals(result: Result) -> list[Goal]:
    """Give the goals of a model of full size, beside plain loops, on a GPU or on a CPU; none of another model."""
    if PLAIN_LOOP not in result.end_to_end:
        return []
    ours, loop = result.end_to_end[VAD_OFF], result.end_to_end[PLAIN_LOOP]
    equal = Goal("labels equal to float32 on the CPU", 0.995, result.agreement["labels equal"], ".1%")
    if not result.on_gpu:
        return [Goal(f"end to end, times the {PLAIN_LOOP}", 4.0, ours.rate / loop.rate, ".2f"), equal]
    encoder = result.parts["encoder"]
    share = encoder.share if encoder.precision == "bfloat16" else None
    busy = None if ours.marks is None else ours.marks.busy_share
    return [
        Goal("encoder alone, of the bfloat16 ceiling (`--precision bfloat16`)", 0.45, share, ".1%"),
        Goal(f"end to end ({VAD_OFF}), × real time", 10_000.0, ours.rate, ",.0f"),
        Goal("GPU busy meanwhile", 0.8, busy, ".1%"),
        equal,
    ]
