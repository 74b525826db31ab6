"""The measurements as a section of a page: targets, a table for each step, and how the steps ended."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.gpu.bench import LARGE
from benchmarks.gpu.journal import DONE, Attempt, Figures, Journal
from benchmarks.markdown_page import Target, table, target_row
from pcqtool.model.predictors import NUMBER_FORMATS

HEAD = """# Benchmarks on a GPU

Made by `benchmarks/gpu.sh`, on recordings that it makes itself. `benchmarks/README.md` describes how each figure is
measured. The large model has the size of WavLM-base and random weights.
"""

TITLES = {
    "agreement": "Agreement with plain encoders in float32 on the CPU",
    "ceilings": "The best matrix product",
    "rates": "The network's parts, by batch size",
    "end to end": "From files to tables",
    "kernels": "Kernels of the large model, by share of a batch's time",
    "eager": "Other ways to run the encoder",
    "compiled": "torch.compile",
    "graphs": "CUDA graphs",
    "device": "What could move to the device",
    "copies": "Copies of a batch to the device",
    "decode": "Decoding alone",
}
SHARES = ("of the ceiling", "share", "device busy", "labels equal", "share of the commonest")
"""Figures that are shown in per cent, besides what a run waits for."""


def targets(journal: Journal) -> list[Target]:
    """Return the targets of the large model in bfloat16; what was not measured has no value."""
    precision = NUMBER_FORMATS[-1]
    ours = {"model": LARGE, "precision": precision}
    runs = _matching(journal, "end to end", ours | {"recordings": "calls", "VAD": "off", "threads of the device": 1})
    return [
        Target(
            f"encoder alone, best batch size, of the {precision} ceiling",
            0.45,
            _best(_matching(journal, "rates", ours | {"part": "encoder"}), "of the ceiling"),
            ".1%",
        ),
        Target("end to end, VAD off, × real time", 10_000.0, _best(runs, "× real time"), ",.0f"),
        Target("GPU busy meanwhile", 0.8, _best(runs, "device busy"), ".1%"),
        Target(
            "labels equal to float32 on the CPU",
            0.995,
            _best(_matching(journal, "agreement", ours), "labels equal"),
            ".1%",
        ),
    ]


def write_summary(journal: Journal, steps: Sequence[str]) -> str:
    """Return the table of targets, and that of the steps."""
    return "\n".join(
        [
            table(("target", "at least", "measured", "reached"), map(target_row, targets(journal))),
            table(
                ("step", "seconds", "figures", "how it ended"),
                (_step_row(name, journal.attempts.get(name)) for name in steps),
            ),
        ]
    )


def write_section(journal: Journal, steps: Sequence[str]) -> str:
    """Return everything that was measured, as a section of a page."""
    parts = [f"## {journal.about['device']}\n", f"{', '.join(f'{name} {x}' for name, x in journal.about.items())}.\n"]
    parts.append(write_summary(journal, steps))
    for name in steps:
        if figures := journal.figures(name):
            parts += [f"### {TITLES[name]}\n", _figures_table(figures)]
    return "\n".join(parts)


def _matching(journal: Journal, step: str, facts: Figures) -> list[Figures]:
    return [each for each in journal.figures(step) if facts.items() <= each.items()]


def _best(figures: Sequence[Figures], name: str) -> float | None:
    return max((float(each[name]) for each in figures if name in each), default=None)


def _step_row(name: str, attempt: Attempt | None) -> tuple[str, ...]:
    if attempt is None:
        return name, "–", "0", "not begun"
    ended = attempt.state if attempt.state == DONE or not attempt.reason else f"{attempt.state}: {attempt.reason}"
    return name, f"{attempt.seconds:.1f}", str(len(attempt.figures)), ended


def _figures_table(figures: Sequence[Figures]) -> str:
    names = list(dict.fromkeys(name for each in figures for name in each if any(each.get(name) for each in figures)))
    return table(names, ([_text(name, each.get(name)) for name in names] for each in figures))


def _text(name: str, value: object) -> str:
    if value is None or value == "":
        return "–"
    if not isinstance(value, float):
        return str(value).replace("|", "¦")
    if name in SHARES or name.startswith("waiting for") or name == "rows and tables":
        return f"{value:.1%}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
