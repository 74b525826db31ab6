"""Inputs, plans and reports of the commands that process recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pcqtool.cli.common import console, path_lists
from pcqtool.cli.common.progress import duration_in_words
from pcqtool.errors import ExitCode, PcqtoolError
from pcqtool.json_format import JsonFormat
from pcqtool.lean_imports import without

if TYPE_CHECKING:
    from pcqtool.batch.job import Job, RunReport

SHOWN_FAILURES = 5


def read_list(file: str | None) -> list[str] | None:
    """Return the paths of ``--files-from``; None without it."""
    return None if file is None else path_lists.read(file)


def load_decoders(dry_run: bool, timeout_s: float) -> None:
    """Begin to load the decoders in another process: the command itself has much to load, too."""
    from pcqtool.batch.decoder_server import IS_POSSIBLE, start_server

    if IS_POSSIBLE and timeout_s and not dry_run:
        start_server()


def run_and_report(
    job: Job,
    verb: str,
    dry_run: bool,
    json: bool,
    copy: Path | None = None,
    on_report: Callable[[RunReport], object] = lambda report: None,
) -> None:
    """Run a job and show its report, or show only its plan.

    Args:
        job: the job.
        verb: past participle for the report, such as ``labelled``.
        dry_run: show the plan only.
        json: print one JSON object.
        copy: file for a copy of the tables in another format, written when the run is done; None for no copy.
        on_report: called with the report as soon as there is one, also if the run stopped early.

    Raises:
        typer.Exit: with exit code 3 if some inputs failed, in this run or in an earlier one.
        StoppedError: if more inputs failed than the options allow.
    """
    import pyarrow

    from pcqtool.batch.job import StoppedError

    with without("pandas"):
        pyarrow.array([])  # pyarrow looks for pandas once: loading it would take longer than a short run
    if dry_run:
        _show_plan(job, json)
        return
    try:
        with console.reporting() as on_progress:
            report = job.run(on_progress)
    except StoppedError as stopped:
        on_report(stopped.report)
        _show_report(stopped.report, verb, json)
        raise
    on_report(report)
    copies: Sequence[Path] = ()
    try:
        copies = () if copy is None else _written_copies(report, copy)
    finally:
        _show_report(report, verb, json, copies)
    if report.summary.failures or report.failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _show_plan(job: Job, json: bool) -> None:
    """Print the number of recordings to process, their hours, and where the profile comes from."""
    from pcqtool.audio.reader import read_header

    plan = job.plan
    hours, unreadable = 0.0, 0
    for source in (source for part in plan.parts for source in part):
        try:
            duration_s, _, _ = read_header(source.path)
            hours += (duration_s or 0.0) / 3600.0
        except PcqtoolError:
            unreadable += 1
    facts: dict[str, object] = {
        "files": plan.n_done + plan.n_todo,
        "done": plan.n_done,
        "to do": plan.n_todo,
        "changed": len(plan.stale),
        "hours to do": round(hours, 3),
        "unreadable": unreadable,
    }
    if job.profiling is not None:
        facts["profile"] = job.profiling.describe(job.output)
    if json:
        console.print_json(JsonFormat.PLAN, {name.replace(" ", "_"): value for name, value in facts.items()})
    else:
        console.print_fields(facts)


def _written_copies(report: RunReport, copy: Path) -> Sequence[Path]:
    from pcqtool.batch.results import Results
    from pcqtool.exports.api import export_copy

    return export_copy(Results(report.out, report), copy).paths


def _show_report(report: RunReport, verb: str, json: bool, copies: Sequence[Path] = ()) -> None:
    from pcqtool.tables.paths import BESIDE, is_table_path, table_path

    summary, state, out = report.summary, report.state, report.out
    is_table = is_table_path(out)
    for file, reason in list(summary.failures.items())[:SHOWN_FAILURES]:
        console.warn(f"{file}: {reason}")
    if len(summary.failures) > SHOWN_FAILURES:
        console.warn(f"and {len(summary.failures) - SHOWN_FAILURES} more files; see the column error")
    before = report.failed.keys() - summary.failures.keys()
    if before:
        console.warn(
            f"{len(before):,} failed in earlier runs, such as {min(before)}; --retry-failed processes them again"
        )
    if json:
        table = {
            "files": state.files,
            "statuses": state.statuses,
            "labels": state.labels,
            "label_time_s": state.label_time_s,
            "n_unsure": state.n_unsure,
            "audio_s": state.audio_s,
            "speech_s": state.speech_s,
            "events": state.events,
            "failed": len(report.failed),
            "failures": report.failed,
        }
        facts = {"out": out, "model": report.model, "license": report.license or None, **summary.to_dict()}
        console.print_json(JsonFormat.RUN, facts | {"table": table, "copies": copies})
        return
    beside = {kind: table_path(out, kind) if is_table else out / kind for kind in BESIDE}
    speed = summary.audio_s / summary.elapsed_s if summary.elapsed_s else 0.0
    console.print_fields(
        {
            "files": f"{summary.n_files:,} {verb}"
            + (f" ({summary.n_replaced:,} changed since)" if summary.n_replaced else "")
            + (f", {summary.n_done_before:,} done before" if summary.n_done_before else ""),
            "audio": f"{summary.audio_s / 3600:.2f} h, {speed:.0f} × real time" if summary.audio_s else None,
            "status": _counted(summary.statuses),
            "speech": _timed(summary.label_time_s),
            "unsure": f"{summary.n_unsure:,} below the minimum of confidence" if summary.n_unsure else None,
            "in all": f"{state.files:,} files: {_counted(state.statuses)}" if state.files != summary.n_files else None,
            "table": out if is_table else out / "files",
            **{kind: path for kind, path in beside.items() if path.exists()},
            "copies": list(copies),
            "resume": f"later runs continue {out}, and write the copies again" if copies else None,
        }
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in sorted(counts.items(), key=lambda item: -item[1]))


def _timed(seconds: Mapping[str, float]) -> str:
    """Return the time of each label, the longest first: ``neutral 1 h 52 min, anger 6 min 10 s``."""
    ordered = sorted(seconds.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {duration_in_words(s)}" for name, s in ordered)
