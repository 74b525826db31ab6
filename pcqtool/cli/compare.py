"""``pcqtool compare``: test whether one evaluation is better than another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pcqtool.cli.common import console, options


def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="The --out directory of 'pcqtool evaluate'.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Directory of another run on the same utterances.")],
    json: options.Json = False,
) -> None:
    """Test whether one evaluation is better than another.

    Both must have the same utterances. Differences are RUN_A minus RUN_B, with 95 % intervals by bootstrap over
    speakers. McNemar's test, which treats utterances as independent, is shown beside them.
    """
    from pcqtool.evaluation.api import compare as compare_runs

    figures = compare_runs(run_a, run_b)
    for warning in figures["warnings"]:
        console.warn(warning)
    if json:
        console.print_json(figures)
    else:
        _show(figures, run_a, run_b)


def _show(figures: Mapping[str, Any], run_a: Path, run_b: Path) -> None:
    mcnemar = figures["mcnemar"]
    console.print_fields(
        {
            "A": run_a,
            "B": run_b,
            "utterances": f"{figures['n_utterances']} of {figures['n_speakers']} speakers",
            **{name.upper(): _difference(figures[name]) for name in ("wa", "ua")},
            "McNemar": f"{mcnemar['only_first_right']} right in A alone, {mcnemar['only_second_right']} in B alone, "
            f"p = {mcnemar['p']:.3g} (utterances treated as independent)",
        }
    )


def _difference(figure: Mapping[str, Any]) -> str:
    text = (
        f"A {100 * figure['first']:.1f} %, B {100 * figure['second']:.1f} %, "
        f"difference {100 * figure['difference']:+.1f} points"
    )
    if figure["interval"] is None:
        return f"{text} (no interval: fewer than two known speakers)"
    low, high = (100 * end for end in figure["interval"])
    return f"{text} (95 % interval over speakers {low:+.1f} to {high:+.1f}, p = {figure['p']:.3g})"
