"""The table of a sweep: validation and test figures of each run, and how to choose one."""

from __future__ import annotations

from pcqtool.evaluation.run_comparison import ComparedRun
from pcqtool.evaluation.sweep import Sweep
from pcqtool.report.comparison import DIFFERENCE_COLUMNS, comparison_notes, comparison_record, difference_cells
from pcqtool.report.paper_table import PaperTable

SWEEP_COLUMNS = ("run", "validation UA, %", "UA, %", "WA, %", "ECE")


def sweep_cells(found: Sweep, run: ComparedRun) -> tuple[str, ...]:
    """Return the cells of ``SWEEP_COLUMNS``."""
    validation = f"{100 * found.run(run.name).validation_ua:.1f}"
    return run.name, validation, str(run.ua), str(run.wa), f"{run.ece:.3f}"


def sweep_notes(found: Sweep) -> tuple[str, ...]:
    """Return the sentences on choosing a run, and those that explain the figures."""
    return (*_choice(found), *comparison_notes(found.comparison))


def sweep_table(found: Sweep) -> PaperTable:
    """Return the sweep as a table for a paper."""
    compared = found.comparison
    records = []
    for run in compared.runs:
        record = comparison_record(compared, run)
        record["validation_ua"] = found.run(run.name).validation_ua
        records.append(record)
    return PaperTable(
        title="Sweep",
        columns=(*SWEEP_COLUMNS, *DIFFERENCE_COLUMNS),
        rows=[(*sweep_cells(found, run), *difference_cells(run)) for run in compared.runs],
        notes=(*sweep_notes(found), *(f"Warning: {warning}" for warning in compared.warnings)),
        records=records,
        document=found.to_dict(),
    )


def _choice(found: Sweep) -> tuple[str, ...]:
    if found.leaks:
        return (
            "The protocol leaks: validation and test share data, so that no figure here chooses a run. "
            "Sweep under an honest protocol.",
        )
    highest = found.run(found.chosen).validation_ua
    n_best = sum(run.validation_ua == highest for run in found.runs)
    shared = f", the first of {n_best} that share it" if n_best > 1 else ""
    notes = [
        f"Chosen by validation: {found.chosen}, which has the highest validation UA ({100 * highest:.1f} %){shared}.",
        "The table is sorted by UA on test data. Choosing its first run for that would be choosing on test data, and "
        "its UA would be too high.",
    ]
    if found.nested is not None:
        notes.append(
            f"Chosen in each fold by its own validation part: UA {found.nested['ua']}, WA {found.nested['wa']}. "
            "Report this figure for the sweep: it includes the choice."
        )
    return tuple(notes)
