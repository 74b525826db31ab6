"""A run over recordings, as the commands that make one share it: inputs, plan, lock, work, summary."""

from __future__ import annotations

import codecs
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pcqtool.cli import console, moments
from pcqtool.errors import ExitCode, PcqtoolError, SettingsError

if TYPE_CHECKING:
    from pcqtool.audio.discover import Source
    from pcqtool.batch.plan import Plan
    from pcqtool.batch.shard import Shard
    from pcqtool.batch.store import Store
    from pcqtool.batch.summary import Summary
    from pcqtool.batch.work import Work

SHOWN_FAILURES = 5
ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Course:
    """How a run treats what earlier runs made, where it is done, and when it gives up.

    Attributes:
        restart: forget what earlier runs made.
        retry_failed: take up again what they failed at.
        max_failures: end the run when more inputs have failed; ``None`` for never.
        engine: where the parts are done, one of ``ENGINES``.
        workers: of the engine ``ray``; 0 for as many as suit the cluster.

    Raises:
        SettingsError: if there is no such engine, or it cannot end a run early, or has no workers.
    """

    restart: bool = False
    retry_failed: bool = False
    max_failures: int | None = None
    engine: str = "local"
    workers: int = 0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise SettingsError(f"--engine is {' or '.join(ENGINES)}, not {self.engine!r}")
        if self.engine == "ray" and self.max_failures is not None:
            raise SettingsError("--max-failures is for --engine local alone")
        if self.engine != "ray" and self.workers:
            raise SettingsError("--workers is for --engine ray alone")


def sources(
    inputs: list[str] | None, files_from: str | None, since: str | None, shard: Shard
) -> tuple[list[Source], dict[str, str]]:
    """Find the recordings that were named, as far as they are in a shard.

    ``since`` leaves out those that have not changed since.

    Returns:
        The recordings, and the folders that cannot be read, with the reason.

    Raises:
        SettingsError: if there are none, or one that was named is not there.
    """
    from pcqtool.audio.discover import discover

    if not inputs and files_from is None:
        raise SettingsError("no inputs", "Name files or directories, or --files-from FILE.")
    first_s = None if since is None else moments.moment_s(since, "--since")
    left_out: dict[str, str] = {}
    found = discover(inputs or [], None if files_from is None else _lines(files_from), left_out.__setitem__)
    if shard.count > 1:
        found = [source for source in found if shard.has(source.file)]
    recent = [source for source in found if first_s is None or source.mtime is None or source.mtime >= first_s]
    return recent, left_out


def plan(store: Store, found: Sequence[Source], course: Course) -> Plan:
    """Say what is to be done."""
    from pcqtool.batch.plan import make_plan

    return make_plan(found, {} if course.restart else store.done(retry_failed=course.retry_failed))


def run(
    store: Store,
    found: Sequence[Source],
    left_out: Mapping[str, str],
    load: Callable[[], Work],
    *,
    verb: str,
    course: Course,
    json: bool,
) -> None:
    """Do what is to be done and show the summary.

    Args:
        store: the output.
        found: the inputs.
        left_out: folders among them that cannot be read, with the reason.
        load: makes the work ready; asked only where there is something to do.
        verb: what was done with the files, for the summary.
        course: what becomes of earlier runs, and when to give up.
        json: whether the summary is one JSON object.

    Raises:
        typer.Exit: with exit code 3 if some inputs failed.
        PcqtoolError: if more failed than the course allows.
    """
    with store.locked():
        summary = _work(plan(store, found, course), store, load, course)
    summary.failures |= left_out
    _show_summary(summary, store, verb, json)
    if summary.stopped:
        raise PcqtoolError(
            f"stopped: {len(summary.failures)} inputs have failed, more than --max-failures {course.max_failures}",
            "What is finished is kept. See the column error, then run again; --retry-failed takes them up once more.",
        )
    if summary.failures:
        raise typer.Exit(ExitCode.SOME_FAILED)


def show_plan(plan: Plan, n_files: int, json: bool) -> None:
    """Show what would be done."""
    from pcqtool.audio.tracks import probe

    hours, unreadable = 0.0, 0
    for source in (source for part in plan.parts for source in part):
        try:
            duration_s, _, _ = probe(source.path)
            hours += (duration_s or 0.0) / 3600.0
        except PcqtoolError:
            unreadable += 1
    facts = {
        "files": n_files,
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


def _work(plan: Plan, store: Store, load: Callable[[], Work], course: Course) -> Summary:
    if not plan.n_todo:
        from pcqtool.batch.summary import Summary

        store.finish()
        return Summary(n_done_before=plan.n_done)

    def restart() -> None:  # not before the model has turned out to be usable
        if course.restart:
            store.restart()

    if course.engine == "ray":
        from pcqtool.batch.ray_engine import run_on_ray

        with console.progress(plan.n_todo, "files") as progress:
            return run_on_ray(plan, store, load, course.workers, lambda source: progress.advance(), restart)
    from pcqtool.batch.decode import get_ready
    from pcqtool.batch.run import run

    began_s = time.monotonic()
    work = load()
    get_ready(work.settings)
    load_s = time.monotonic() - began_s
    console.debug(f"{work.settings.n_jobs} decoding threads, batches of {work.settings.batch_size}")
    restart()
    with console.progress(plan.n_todo, "files") as progress:
        summary = run(plan, store, work, lambda source: progress.advance(), course.max_failures)
    summary.load_s = load_s
    return summary


def _lines(files_from: str) -> list[str]:
    r"""Read a list of paths, which may hold any bytes; ended by NUL (``find -print0``) if there is one, else by \n."""
    try:
        data = sys.stdin.buffer.read() if files_from == "-" else Path(files_from).read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read the list {files_from}: {error.strerror}") from error
    separator = "\0" if b"\0" in data else "\n"
    return os.fsdecode(data.removeprefix(codecs.BOM_UTF8)).split(separator)


def _show_summary(summary: Summary, store: Store, verb: str, json: bool) -> None:
    from pcqtool.tables.paths import table_path

    for file, reason in list(summary.failures.items())[:SHOWN_FAILURES]:
        console.warn(f"{file}: {reason}")
    if len(summary.failures) > SHOWN_FAILURES:
        console.warn(f"and {len(summary.failures) - SHOWN_FAILURES} more files; see the column error")
    if json:
        console.print_json({"out": store.out, "model": store.provenance.model, **summary.to_dict()})
        return
    speed = summary.audio_s / summary.elapsed_s if summary.elapsed_s else 0.0
    console.print_fields(
        {
            "files": f"{summary.n_files:,} {verb}"
            + (f" ({summary.n_replaced:,} changed since)" if summary.n_replaced else "")
            + (f", {summary.n_done_before:,} done before" if summary.n_done_before else ""),
            "audio": f"{summary.audio_s / 3600:.2f} h, {speed:.0f} × real time" if summary.audio_s else None,
            "status": ", ".join(f"{status} {count:,}" for status, count in summary.statuses.most_common()),
            "labels": ", ".join(f"{name} {count:,}" for name, count in summary.labels.most_common()),
            "table": store.out if store.is_table else store.out / "files",
            "segments": table_path(store.out, "segments") if store.is_table else store.out / "segments",
        }
    )
