"""The page of a benchmark, in Markdown: targets of a full-size model, and the measurements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.baselines import PLAIN_LOOP
from benchmarks.benchmark import Result
from benchmarks.end_to_end import VAD_OFF, VAD_ON, Outcome
from benchmarks.stages import Part
from benchmarks.timings import Timings

HEAD = """# Benchmarks

Made by `python -m benchmarks`. Ratios carry over to another machine, seconds do not. All systems ran in turn on the
same files, each with the same number of workers on the same cores, from decoding on, with models loaded and workers
started; the median of the repetitions counts. `benchmarks/README.md` describes how each figure is measured.
"""


class Target(NamedTuple):
    """A target of a full-size model.

    Attributes:
        name: the quantity.
        least: its smallest acceptable value.
        measured: its value; ``None`` if this run cannot measure it.
        form: format of both numbers.
    """

    name: str
    least: float
    measured: float | None
    form: str


def targets(result: Result) -> list[Target]:
    """Return the targets of a full-size model, on a GPU or on a CPU; none if no plain loop ran beside it."""
    if PLAIN_LOOP not in result.end_to_end:
        return []
    ours, loop = result.end_to_end[VAD_OFF], result.end_to_end[PLAIN_LOOP]
    equal = Target("labels equal to float32 on the CPU", 0.995, result.agreement["labels equal"], ".1%")
    if not result.on_gpu:
        return [Target(f"end to end, times the {PLAIN_LOOP}", 4.0, ours.rate / loop.rate, ".2f"), equal]
    encoder = result.parts["encoder"]
    share = encoder.share if encoder.precision == "bfloat16" else None
    busy = None if ours.timings is None else ours.timings.busy_share
    return [
        Target("encoder alone, of the bfloat16 ceiling (`--precision bfloat16`)", 0.45, share, ".1%"),
        Target(f"end to end ({VAD_OFF}), × real time", 10_000.0, ours.rate, ",.0f"),
        Target("GPU busy meanwhile", 0.8, busy, ".1%"),
        equal,
    ]


def put(section: str, page: str = HEAD) -> str:
    """Put a section into a page; it replaces the section with the same heading if there is one."""
    parts = [part.strip() for part in re.split(r"^(?=## )", page, flags=re.MULTILINE)]
    headings = [part.split("\n", 1)[0] for part in parts]
    heading = section.split("\n", 1)[0]
    if heading in headings[1:]:
        parts[headings.index(heading)] = section.strip()
    else:
        parts.append(section.strip())
    return "\n\n".join(parts) + "\n"


def write_section(result: Result) -> str:
    """Return the measurements as a section of a page."""
    about = {name: value for name, value in result.about.items() if name not in ("model", "precision", "device")}
    parts = [
        f"## {result.about['model']}, {result.about['precision']}, {result.about['device']}\n",
        f"{result.audio_s / 60:.1f} min of audio; {_listed(about)}.\n",
    ]
    if wanted := targets(result):
        parts.append(table(("target", "at least", "measured", "reached"), map(target_row, wanted)))
    parts += [
        table(("stage alone, decoding and VAD in one thread", "× real time", "share"), _stages(result)),
        table(
            ("the network alone", "GFLOP a segment", "GFLOP/s", "ceiling", "of the ceiling"),
            (_part(name, part) for name, part in result.parts.items() if part.flops),
        ),
        "The ceiling is that of the best matrix product in the same precision. Warm-up, once a run, in seconds: "
        f"{_listed(result.warm_up_s, ',.2f')}.\n",
        table(
            ("end to end", "workers", "× real time", f"{VAD_OFF}, is faster by", f"{VAD_ON}, is faster by"),
            _systems(result.end_to_end),
        ),
        *(_timings(name, outcome.timings) for name, outcome in result.end_to_end.items() if outcome.timings),
        f"Peak memory in MB: {_listed(result.peak_mb, ',.0f')}. Against transformers' own encoder in float32 on the "
        f"CPU, a segment at a time: {_listed(result.agreement, '.4g')}.\n",
    ]
    return "\n".join(parts)


def target_row(target: Target) -> tuple[str, ...]:
    """Return a target's row: name, least value, measured value, and whether it is reached."""
    measured = "not by this run" if target.measured is None else format(target.measured, target.form)
    reached = "–" if target.measured is None else "yes" if target.measured >= target.least else "no"
    return target.name, format(target.least, target.form), measured, reached


def _stages(result: Result) -> Iterable[tuple[str, ...]]:
    total_s = sum(result.stages_s.values())
    for name, seconds in result.stages_s.items():
        yield name, f"{result.audio_s / seconds:,.0f}" if seconds else "–", f"{seconds / total_s:.1%}"


def _part(name: str, part: Part) -> tuple[str, ...]:
    rates = (f"{part.rate / 1e9:,.0f}", f"{part.ceiling / 1e9:,.0f}", f"{part.share:.1%}")
    return f"{name} ({part.precision})", f"{part.flops / 1e9:,.3g}", *rates


def _systems(outcomes: Mapping[str, Outcome]) -> Iterable[tuple[str, ...]]:
    ours = [outcomes[name].rate for name in (VAD_OFF, VAD_ON)]
    for name, outcome in outcomes.items():
        yield name, str(outcome.workers), f"{outcome.rate:,.1f}", *(f"{rate / outcome.rate:.2f}" for rate in ours)


def _timings(name: str, timings: Timings) -> str:
    shares = timings.shares()
    return (
        f"{name}: the device was busy {timings.busy_share:.1%} of the run. The run waited for, or spent on, "
        f"{_listed(shares, '.1%')}: what limits it is {max(shares, key=lambda stage: shares[stage])}.\n"
    )


def _listed(values: Mapping[str, object], form: str = "") -> str:
    return ", ".join(f"{name} {format(value, form)}" for name, value in values.items())


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, its first column to the left and the others to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
