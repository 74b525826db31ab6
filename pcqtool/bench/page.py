"""The page of a benchmark, in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from pcqtool.bench.bench import Result

HEAD = """# Benchmarks

Made by `pcqtool bench`; ratios, not seconds, are what carries over to another machine. All contenders ran in turn in
one process, from decode on, models loaded and warm; the median of the rounds counts.
"""


def write_page(results: Sequence[Result]) -> str:
    """Write the page of one or more benchmarks."""
    return "\n".join([HEAD, *(_section(result) for result in results)])


def _section(result: Result) -> str:
    total_s = sum(result.stages_s.values())
    first = next(iter(result.runs_s))
    reference = statistics.median(result.runs_s[first])
    parts = [
        f"## {result.about['model']}, {result.about['device']}\n",
        f"{result.audio_s / 60:.1f} min of audio; "
        + ", ".join(f"{name} {value}" for name, value in result.about.items() if name not in ("model", "device"))
        + ".\n",
        _table(
            ("stage alone", "× real time", "share"),
            ((n, f"{result.audio_s / max(s, 1e-9):,.0f}", f"{s / total_s:.1%}") for n, s in result.stages_s.items()),
        ),
        _table(
            ("end to end", "× real time", f"{first} is faster by"),
            (
                (name, f"{result.times_real(name):,.1f}", f"{statistics.median(runs) / reference:.2f}")
                for name, runs in result.runs_s.items()
            ),
        ),
        f"The network: {result.flops['network'] / 1e9:,.0f} GFLOP/s, {result.flops['share']:.0%} of the measured "
        f"ceiling of {result.flops['ceiling'] / 1e9:,.0f} (matrix product in {result.about['precision']}). "
        "Peak memory: " + ", ".join(f"{name} {value:,.0f} MB" for name, value in result.peak_mb.items()) + ".\n",
    ]
    if result.agreement:
        parts.append(
            "Against the plain loop: " + ", ".join(f"{n} {v:.4g}" for n, v in result.agreement.items()) + ".\n"
        )
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
