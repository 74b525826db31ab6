"""``pcqtool compare``: test whether one evaluation is better than others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pcqtool.cli.common import console, options
from pcqtool.json_format import JsonFormat

if TYPE_CHECKING:
    from pcqtool.evaluation.run_comparison import RunComparison


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="The --out directories of 'pcqtool evaluate', two or more.")
    ],
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="RUN", help="Compare all others with this run. Default: the best UA."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Also write a table: .tex, .csv, .md or .json."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Test whether one evaluation is better than others.

    Two runs must have the same utterances. Their differences are first minus second, with 95 % intervals by bootstrap
    over speakers. McNemar's test, which treats utterances as independent, is shown beside them.

    More runs, or any with --baseline, are compared on the utterances that all of them have, in a table sorted by UA.
    The p-values of their differences are corrected by Holm.
    """
    from pcqtool.evaluation.api import compare as compare_two
    from pcqtool.report.comparison import compare_runs
    from pcqtool.report.paper_table import check_table_path

    check_table_path(out)
    if baseline is None and len(runs) == 2:
        first, second = runs
        figures = compare_two(first, second)
        if out is not None:
            compare_runs(runs, out=out)
            figures["table"] = out
        _warn(figures["warnings"])
        if json:
            console.print_json(JsonFormat.DIFFERENCE, figures)
        else:
            _show_two(figures, first, second)
        return
    found = compare_runs(runs, baseline=baseline, out=out)
    _warn(found.warnings)
    if json:
        console.print_json(JsonFormat.COMPARE, found.to_dict() | ({} if out is None else {"table": out}))
    else:
        _show(found, out)


def _warn(warnings: list[str] | tuple[str, ...]) -> None:
    for warning in warnings:
        console.warn(warning)


def _show(found: RunComparison, out: Path | None) -> None:
    """Show scores and differences as two tables, which are narrow enough for a terminal."""
    from pcqtool.report import comparison

    console.print_table(comparison.SCORE_COLUMNS, [comparison.score_cells(run) for run in found.runs])
    console.print_text("")
    print_differences(found)
    console.print_text("")
    for note in comparison.comparison_notes(found):
        console.print_text(note)
    if out is not None:
        console.print_fields({"table": out})


def print_differences(found: RunComparison) -> None:
    """Print a table of the paired differences from the baseline."""
    from pcqtool.report.comparison import DIFFERENCE_COLUMNS, difference_cells

    others = [run for run in found.runs if run.from_baseline is not None]
    columns = (f"minus {found.baseline}", *DIFFERENCE_COLUMNS)
    console.print_table(columns, [(run.name, *difference_cells(run)) for run in others])


def _show_two(figures: Mapping[str, Any], first: Path, second: Path) -> None:
    mcnemar = figures["mcnemar"]
    console.print_fields(
        {
            "A": first,
            "B": second,
            "utterances": f"{figures['n_utterances']} of {figures['n_speakers']} speakers",
            **{name.upper(): _difference(figures[name]) for name in ("wa", "ua")},
            "McNemar": f"{mcnemar['only_first_right']} right in A alone, {mcnemar['only_second_right']} in B alone, "
            f"p = {mcnemar['p']:.3g} (utterances treated as independent)",
            "table": figures.get("table"),
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
