"""A run over recordings, as the commands that make one share it: inputs, plan, lock, work, summary."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pcqtool.cli.common import console, durations, path_lists
from pcqtool.errors import ExitCode, PcqtoolError, SettingsError

if TYPE_CHECKING:
    from pcqtool.audio.discover import FoundFile
    from pcqtool.batch.names import FileSignature, Source
    from pcqtool.batch.output import RunOutput
    from pcqtool.batch.plan import Plan
    from pcqtool.batch.summary import Summary, TableState
    from pcqtool.batch.task import BatchTask

SHOWN_FAILURES = 5
ENGINES = ("local", "ray")


@dataclass
class Inputs:
    """What a run was given.

    Attributes:
        root: the folder that holds all of it.
        found: the recordings.
        left_out: folders among them that cannot be read, with the reason.
        since_s: leave out recordings that have not changed since then, in seconds since 1970.
        sources: the recordings under their names in the output, once it is known; also those of other shards.
    """

    root: str
    found: Sequence[FoundFile]
    left_out: Mapping[str, str]
    since_s: float | None = None
    sources: Sequence[Source] = ()

    def wants(self, source: Source, before: FileSignature | None) -> bool:
        """Whether a recording has changed since then, or is to be done again whatever it is like."""
        if self.since_s is None or source.mtime is None or source.mtime >= self.since_s:
            return True
        return before is not None and before.again


@dataclass(frozen=True)
class RunOptions:
    """How a run treats what earlier runs made, where it is done, and when it gives up.

    Attributes:
        restart: forget what earlier runs made.
        retry_failed: take up again what they failed at.
        max_failures: end the run when more inputs have failed; ``None`` for never.
        engine: where the parts are done, one of ``ENGINES``.
        workers: of the engine ``ray``; 0 for as many as suit the cluster.
        root: the folder that names in the tables are relative to; ``None`` for the tables' own, or the inputs'.
        moved: whether ``root`` is where the tables' recordings lie now, and not the tables' own.

    Raises:
        SettingsError: if there is no such engine, or it cannot end a run early, or has no workers.
    """

    restart: bool = False
    retry_failed: bool = False
    max_failures: int | None = None
    engine: str = "local"
    workers: int = 0
    root: Path | None = None
    moved: bool = False

    def __post_init__(self) -> None:
        if self.root is not None and not self.root.is_dir():
            raise SettingsError(f"--root {self.root} is not a directory")
        if self.moved and (self.root is None or self.restart):
            raise SettingsError("--moved goes with --root, and not with --restart")
        if self.engine not in ENGINES:
            raise SettingsError(f"--engine is {' or '.join(ENGINES)}, not {self.engine!r}")
        if self.engine == "ray" and self.max_failures is not None:
            raise SettingsError("--max-failures is for --engine local alone")
        if self.engine != "ray" and self.workers:
            raise SettingsError("--workers is for --engine ray alone")


def find(inputs: list[str] | None, files_from: str | None, since: str | None) -> Inputs:
    """Find the recordings that were named.

    Raises:
        SettingsError: if there are none, or one that was named is not there.
    """
    from pcqtool.audio.discover import discover

    if not inputs and files_from is None:
        raise SettingsError("no inputs", "Name files or directories, or --files-from FILE.")
    first_s = None if since is None else durations.timestamp_s(since, "--since")
    left_out: dict[str, str] = {}
    found = discover(inputs or [], None if files_from is None else path_lists.read(files_from), left_out.__setitem__)
    return Inputs(found.root, found.files, left_out, first_s)


def plan(store: RunOutput, inputs: Inputs, course: RunOptions) -> Plan:
    """Name the inputs, and say what is to be done."""
    from pcqtool.batch.names import name_recordings
    from pcqtool.batch.plan import make_plan

    before = {} if course.restart else store.done(retry_failed=course.retry_failed)
    root = _root(store, inputs.root, course)
    store.name_from(root)
    named = name_recordings(inputs.found, root, before)
    inputs.sources = [source for source in named if inputs.wants(source, before.get(source.file))]
    own = [source for source in inputs.sources if store.shard.has(source.file)]
    if not course.restart:
        store.check_restart({*before, *(source.file for source in own)})
    plan = make_plan(own, before)
    if before and not plan.n_done and not os.path.isdir(root):  # noqa: PTH112
        console.warn(
            f"{store.out} names its recordings from {root}, which is not there; these are taken for others. "
            "If all have moved, add --root, the folder where they lie now, and --moved."
        )
    return plan


def _root(store: RunOutput, found: str, course: RunOptions) -> str:
    """Decide which folder names are relative to: the one that the output notes already, unless all have moved."""
    noted = None if course.restart else store.root
    wanted = None if course.root is None else os.path.realpath(course.root)
    if noted is None or course.moved:
        return wanted or found
    if wanted is not None and wanted != noted:
        raise SettingsError(
            f"{store.out} names its recordings from {noted}, not from {wanted}",
            "Leave --root out; or, if all of its recordings have moved there, add --moved.",
        )
    return noted


def run(
    store: RunOutput,
    inputs: Inputs,
    load: Callable[[], BatchTask],
    *,
    verb: str,
    course: RunOptions,
    json: bool,
) -> None:
    """Do what is to be done and show the summary.

    Args:
        store: the output.
        inputs: the recordings.
        load: makes the work ready; asked only where there is something to do.
        verb: what was done with the files, for the summary.
        course: what becomes of earlier runs, and when to give up.
        json: whether the summary is one JSON object.

    Raises:
        typer.Exit: with exit code 3 if some inputs failed, in this run or in an earlier one.
        PcqtoolError: if more failed than the course allows.
    """
    with store.locked():
        summary = _work(plan(store, inputs, course), store, inputs, load, course)
        state = store.state()
    summary.failures |= inputs.left_out
    standing = _standing(state, store, inputs)
    _show_summary(summary, state, standing, store, verb, json)
    if summary.stopped:
        raise PcqtoolError(
            f"stopped: {summary.n_useless} inputs have failed or are empty, more than --max-failures "
            f"{course.max_failures}",
            "What is finished is kept. See the column error, then run again; --retry-failed takes them up once more.",
        )
    if summary.failures or standing:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _standing(state: TableState, store: RunOutput, inputs: Inputs) -> dict[str, str]:
    """Return the failed rows of an output that stand for something: an input of this run, or a file that is there."""
    from pcqtool.batch.names import path_of

    given = {source.file for source in inputs.sources}
    root = store.root or os.sep
    return {
        file: reason
        for file, reason in state.failed.items()
        if file in given or os.path.lexists(path_of(state.targets.get(file, file), root))
    }


def show_plan(plan: Plan, json: bool) -> None:
    """Show what would be done."""
    from pcqtool.audio.reader import read_header

    hours, unreadable = 0.0, 0
    for source in (source for part in plan.parts for source in part):
        try:
            duration_s, _, _ = read_header(source.path)
            hours += (duration_s or 0.0) / 3600.0
        except PcqtoolError:
            unreadable += 1
    facts = {
        "files": plan.n_done + plan.n_todo,
        "done": plan.n_done,
        "to do": plan.n_todo,
        "changed": len(plan.stale),
        "hours to do": round(hours, 3),
        "unreadable": unreadable,
    }
    if json:
        console.print_json({name.replace(" ", "_"): value for name, value in facts.items()})
    else:
        console.print_fields(facts)


def _work(plan: Plan, store: RunOutput, inputs: Inputs, load: Callable[[], BatchTask], course: RunOptions) -> Summary:
    if course.restart:
        store.check_replaceable()

    def begin() -> None:  # not before the model has turned out to be usable
        if course.restart:
            store.restart()
        store.note_inputs(inputs.sources)

    if not plan.n_todo:
        from pcqtool.batch.summary import Summary

        begin()
        store.finish()
        return Summary(n_done_before=plan.n_done)

    if course.engine == "ray":
        from pcqtool.batch.ray_engine import run_on_ray

        with console.progress(plan.n_todo, "files") as progress:
            return run_on_ray(plan, store, load, course.workers, lambda source: progress.advance(), begin)
    from pcqtool.batch.prefetch import get_ready
    from pcqtool.batch.run import run

    began_s = time.monotonic()
    work = load()
    get_ready(work.settings)
    load_s = time.monotonic() - began_s
    console.debug(f"{work.settings.n_jobs} decoding threads, batches of {work.settings.batch_size}")
    begin()
    with console.progress(plan.n_todo, "files") as progress:
        summary = run(plan, store, work, lambda source: progress.advance(), course.max_failures)
    summary.load_s = load_s
    return summary


def _show_summary(
    summary: Summary, state: TableState, standing: Mapping[str, str], store: RunOutput, verb: str, json: bool
) -> None:
    from pcqtool.tables.paths import table_path

    for file, reason in list(summary.failures.items())[:SHOWN_FAILURES]:
        console.warn(f"{file}: {reason}")
    if len(summary.failures) > SHOWN_FAILURES:
        console.warn(f"and {len(summary.failures) - SHOWN_FAILURES} more files; see the column error")
    before = standing.keys() - summary.failures.keys()
    if before:
        console.warn(f"{len(before):,} failed in earlier runs, as {min(before)}; --retry-failed takes them up again")
    if json:
        table = {"files": state.files, "statuses": state.statuses, "labels": state.labels, "failed": len(standing)}
        console.print_json({"out": store.out, "model": store.provenance.model, **summary.to_dict(), "table": table})
        return
    speed = summary.audio_s / summary.elapsed_s if summary.elapsed_s else 0.0
    console.print_fields(
        {
            "files": f"{summary.n_files:,} {verb}"
            + (f" ({summary.n_replaced:,} changed since)" if summary.n_replaced else "")
            + (f", {summary.n_done_before:,} done before" if summary.n_done_before else ""),
            "audio": f"{summary.audio_s / 3600:.2f} h, {speed:.0f} × real time" if summary.audio_s else None,
            "status": _counted(summary.statuses),
            "labels": _counted(summary.labels),
            "in all": f"{state.files:,} files: {_counted(state.statuses)}" if state.files != summary.n_files else None,
            "table": store.out if store.is_table else store.out / "files",
            "segments": table_path(store.out, "segments") if store.is_table else store.out / "segments",
        }
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in sorted(counts.items(), key=lambda item: -item[1]))
