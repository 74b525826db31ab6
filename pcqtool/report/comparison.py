"""Comparison of runs from Python, ``pcqtool.compare_runs``, and as a table for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcqtool.arguments import as_path
from pcqtool.errors import SettingsError
from pcqtool.report.paper_table import PaperTable, check_table_path, write_table

if TYPE_CHECKING:
    from pcqtool.evaluation.run_comparison import ComparedRun, PairedDifference, RunComparison

SCORE_COLUMNS = ("run", "UA, %", "WA, %", "ECE", "protocol", "marks")
DIFFERENCE_COLUMNS = ("UA difference", "p, Holm", "WA difference", "p, Holm")


def compare_runs(
    runs: Sequence[str | Path], *, baseline: str | Path | None = None, out: str | Path | None = None
) -> RunComparison:
    """Compare any number of evaluations on the utterances that all of them have.

    Args:
        runs: directories of evaluations, or their ``predictions.parquet``.
        baseline: the run that each other run is compared with; it need not be among ``runs``. None for the one with
            the highest UA among those that do not leak.
        out: table to write: ``.tex``, ``.csv``, ``.md`` or ``.json``.

    Returns:
        The runs sorted by UA, with WA, UA, ECE, protocol and marks; and their paired differences from the baseline,
        with 95 % intervals by bootstrap over speakers and p-values corrected by Holm.

    Raises:
        SettingsError: if there are fewer than two runs, one is named twice, or the suffix of ``out`` is unknown.
        TableError: if predictions are missing, or the runs share no utterance or differ in labels or speakers.
        FileError: if the table cannot be written.

    Examples:
        >>> import pcqtool
        >>> found = pcqtool.compare_runs(["runs/best", "runs/mini", "runs/svm"], out="runs.tex")  # doctest: +SKIP
        >>> [(run.name, run.ua.value) for run in found.runs]  # doctest: +SKIP
    """
    table = None if out is None else as_path(out)
    check_table_path(table)
    paths = [as_path(run) for run in runs]
    reference = None if baseline is None else as_path(baseline)
    if reference is not None and reference.resolve() not in [path.resolve() for path in paths]:
        paths.append(reference)
    if len(paths) < 2:
        raise SettingsError("one run cannot be compared", "Name two runs or more, or a --baseline.")
    repeated = [path for index, path in enumerate(paths) if path.resolve() in [p.resolve() for p in paths[:index]]]
    if repeated:
        raise SettingsError(f"{repeated[0]} is named twice", "Name each run once.")

    from pcqtool.evaluation.run_comparison import compare_predictions
    from pcqtool.evaluation.run_conditions import RunConditions, run_names
    from pcqtool.evaluation.run_directory import load_predictions

    names = run_names(paths)
    loaded = {}
    for name, path in zip(names, paths, strict=True):
        predictions, provenance = load_predictions(path)
        loaded[name] = predictions, RunConditions.of(provenance)
    of_baseline = [
        name
        for name, path in zip(names, paths, strict=True)
        if reference is not None and path.resolve() == reference.resolve()
    ]
    found = compare_predictions(loaded, of_baseline[0] if of_baseline else None)
    if table is not None:
        write_table(comparison_table(found), table)
    return found


def comparison_table(found: RunComparison) -> PaperTable:
    """Return the comparison as a table for a paper."""
    return PaperTable(
        title="Comparison of runs",
        columns=(*SCORE_COLUMNS[:4], *DIFFERENCE_COLUMNS, *SCORE_COLUMNS[4:]),
        rows=[(*score_cells(run)[:4], *difference_cells(run), *score_cells(run)[4:]) for run in found.runs],
        notes=(*comparison_notes(found), *(f"Warning: {warning}" for warning in found.warnings)),
        records=[comparison_record(found, run) for run in found.runs],
        document=found.to_dict(),
    )


def comparison_notes(found: RunComparison) -> tuple[str, ...]:
    """Return the sentences that explain the figures."""
    all_of_them = all(run.n_utterances == found.n_utterances for run in found.runs)
    numbers = ", ".join(f"{run.name} {run.n_utterances}" for run in found.runs)
    rest = "all that the runs have" if all_of_them else f"those that all runs have ({numbers})"
    honest = " of those that do not leak" if any(run.conditions.leaks for run in found.runs) else ""
    chosen = f", the run with the highest UA{honest}" if found.baseline_is_best else ""
    number = len(found.runs) - 1
    return (
        f"{found.n_utterances} utterances of {found.n_speakers} speakers: {rest}.",
        f"Differences in points from {found.baseline}{chosen}, paired; 95 % intervals by bootstrap over speakers.",
        f"p is two-sided, corrected by Holm for {number} comparison{'s' if number > 1 else ''}, for UA and WA apart.",
    )


def score_cells(run: ComparedRun) -> tuple[str, ...]:
    """Return the cells of ``SCORE_COLUMNS``."""
    return (
        *(run.name, str(run.ua), str(run.wa), f"{run.ece:.3f}"),
        *(run.conditions.short_protocol, "; ".join(run.conditions.marks)),
    )


def difference_cells(run: ComparedRun) -> tuple[str, ...]:
    """Return the cells of ``DIFFERENCE_COLUMNS``; empty for the baseline."""
    found = run.from_baseline
    return ("",) * 4 if found is None else (*_difference_cells(found["ua"]), *_difference_cells(found["wa"]))


def _difference_cells(found: PairedDifference) -> tuple[str, str]:
    points = f"{100 * found.difference:+.1f}"
    if found.interval is None or found.p_holm is None:
        return points, ""
    low, high = (100 * end for end in found.interval)
    return f"{points} ({low:+.1f} to {high:+.1f})", f"{found.p_holm:.3g}"


def comparison_record(found: RunComparison, run: ComparedRun) -> dict[str, Any]:
    """Return a row of numbers, from 0 to 1, for CSV."""
    row: dict[str, Any] = {"run": run.name}
    for name, score in (("ua", run.ua), ("wa", run.wa)):
        low, high = score.interval or (None, None)
        row |= {name: score.value, f"{name}_low": low, f"{name}_high": high}
    row["ece"] = run.ece
    for name in ("ua", "wa"):
        each = run.from_baseline[name] if run.from_baseline else None
        low, high = (each.interval if each else None) or (None, None)
        row |= {
            f"{name}_difference": each.difference if each else None,
            f"{name}_difference_low": low,
            f"{name}_difference_high": high,
            f"{name}_p": each.p if each else None,
            f"{name}_p_holm": each.p_holm if each else None,
        }
    conditions = run.conditions
    shared = {"n_shared": found.n_utterances, "n_utterances": run.n_utterances, "baseline": found.baseline}
    return row | {
        **shared,
        "corpus": conditions.corpus,
        "protocol": conditions.protocol,
        "leaks": conditions.leaks,
        "marks": "; ".join(conditions.marks),
    }
