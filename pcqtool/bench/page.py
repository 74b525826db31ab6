"""The page of a benchmark, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pcqtool.bench.bench import Result
from pcqtool.bench.contenders import VAD_OFF
from pcqtool.bench.goals import Goal, goals
from pcqtool.bench.marks import Marks
from pcqtool.bench.network import Part

HEAD = """# Benchmarks

Made by `pcqtool bench`; ratios, not seconds, are what carries over to another machine. All contenders ran in turn, from
decoding on, models loaded and warm; the median of the rounds counts. `benchmarks/README.md` says how each figure is
measured.
"""


def put(section: str, page: str = HEAD) -> str:
    """Put a section into a page, in the place of the one with the same heading if there is one."""
    parts = [part.strip() for part in re.split(r"^(?=## )", page, flags=re.MULTILINE)]
    headings = [part.split("\n", 1)[0] for part in parts]
    heading = section.split("\n", 1)[0]
    if heading in headings[1:]:
        parts[headings.index(heading)] = section.strip()
    else:
        parts.append(section.strip())
    return "\n\n".join(parts) + "\n"


def write_section(result: Result) -> str:
    """Write what was measured, as a section of a page."""
    about = {name: value for name, value in result.about.items() if name not in ("model", "precision", "device")}
    parts = [
        f"## {result.about['model']}, {result.about['precision']}, {result.about['device']}\n",
        f"{result.audio_s / 60:.1f} min of audio; {_listed(about)}.\n",
    ]
    if wanted := goals(result):
        parts.append(_table(("goal", "at least", "measured", "reached"), map(_goal, wanted)))
    parts += [
        _table(("stage alone, decoding and VAD in one thread", "× real time", "share"), _stages(result)),
        _table(
            ("the network alone", "GFLOP a segment", "GFLOP/s", "ceiling", "of the ceiling"),
            (_part(name, part) for name, part in result.parts.items() if part.flops),
        ),
        "The ceiling is that of the best matrix product in the same precision. Warm-up, once a run, in seconds: "
        f"{_listed(result.warm_up_s, ',.2f')}.\n",
        _table(("end to end", "× real time", f"{VAD_OFF}, is faster by"), _contenders(result)),
        *(_marks(name, outcome.marks) for name, outcome in result.end_to_end.items() if outcome.marks is not None),
        f"Peak memory in MB: {_listed(result.peak_mb, ',.0f')}. Against transformers' own encoder in float32 on the "
        f"CPU, a segment at a time: {_listed(result.agreement, '.4g')}.\n",
    ]
    return "\n".join(parts)


def _goal(goal: Goal) -> tuple[str, ...]:
    measured = "not by this run" if goal.measured is None else format(goal.measured, goal.form)
    reached = "–" if goal.measured is None else "yes" if goal.measured >= goal.least else "no"
    return goal.name, format(goal.least, goal.form), measured, reached


def _stages(result: Result) -> Iterable[tuple[str, ...]]:
    total_s = sum(result.stages_s.values())
    for name, seconds in result.stages_s.items():
        yield name, f"{result.audio_s / seconds:,.0f}" if seconds else "–", f"{seconds / total_s:.1%}"


def _part(name: str, part: Part) -> tuple[str, ...]:
    rates = (f"{part.rate / 1e9:,.0f}", f"{part.ceiling / 1e9:,.0f}", f"{part.share:.1%}")
    return f"{name} ({part.precision})", f"{part.flops / 1e9:,.3g}", *rates


def _contenders(result: Result) -> Iterable[tuple[str, ...]]:
    ours = result.end_to_end[VAD_OFF].rate
    for name, outcome in result.end_to_end.items():
        yield name, f"{outcome.rate:,.1f}", f"{ours / outcome.rate:.2f}"


def _marks(name: str, marks: Marks) -> str:
    shares = marks.shares()
    return (
        f"{name}: the device was busy {marks.busy_share:.1%} of the run. The run waited for, or spent on, "
        f"{_listed(shares, '.1%')}: what limits it is {max(shares, key=lambda stage: shares[stage])}.\n"
    )


def _listed(values: Mapping[str, object], form: str = "") -> str:
    return ", ".join(f"{name} {format(value, form)}" for name, value in values.items())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
