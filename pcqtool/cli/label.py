"""``pcqtool label``: emotion probabilities for recordings, as Parquet tables."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcqtool.cli import console, options
from pcqtool.errors import ExitCode, PcqtoolError, SettingsError

if TYPE_CHECKING:
    from pcqtool.audio.discover import Source
    from pcqtool.labelling.plan import Plan
    from pcqtool.labelling.settings import LabelSettings
    from pcqtool.labelling.store import Store
    from pcqtool.labelling.summary import Summary
    from pcqtool.model.directory import Places
    from pcqtool.model.predictor import Predictor

SHOWN_FAILURES = 5


def label(
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="INPUT...", help="Files, directories (searched to the bottom), globs.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="PATH", help="A .parquet file, or a directory for a table of parts.")
    ] = Path("results.parquet"),
    files_from: Annotated[
        str | None, typer.Option("--files-from", metavar="FILE", help="Read input paths, one a line; - for stdin.")
    ] = None,
    model: options.Model = None,
    encoder_dir: options.EncoderDir = None,
    device: options.Device = "auto",
    jobs: options.Jobs = 0,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, metavar="N", help="Segments computed at once; changes no label.")
    ] = 32,
    channels: Annotated[
        str,
        typer.Option(
            "--channels",
            metavar="auto|mix|split|N",
            help="auto: a call's two speakers apart, anything else mixed; or mix, split, or a channel's number from 0.",
        ),
    ] = "auto",
    vad: Annotated[
        str,
        typer.Option("--vad", metavar="on|off", help="Find speech first, so that silence and noise get no emotion."),
    ] = "on",
    aggregation: Annotated[
        str | None,
        typer.Option(
            "--aggregation",
            metavar="RULE",
            help="From segments to file: mean-log, mean, vote, duration. Without it: the model's own rule.",
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Replace an earlier result instead of going on with it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    json: options.Json = False,
) -> None:
    """Label recordings: emotions of each file and segment.

    Without --model the small model inside the package is used, and no network is needed. A second run over the same
    inputs does only what is new or changed. A file that cannot be read becomes a row with the reason.
    """
    if vad not in ("on", "off"):
        raise SettingsError(f"--vad is on or off, not {vad!r}")
    from pcqtool.audio.discover import discover
    from pcqtool.audio.tracks import Reading
    from pcqtool.labelling.plan import make_plan
    from pcqtool.labelling.settings import LabelSettings
    from pcqtool.labelling.store import Store
    from pcqtool.model.directory import find, read_config, sha256

    settings = LabelSettings(Reading(channels, vad == "on"), aggregation, batch_size=batch_size, jobs=jobs)
    if not inputs and files_from is None:
        raise SettingsError("nothing to label", "Name files or directories, or --files-from FILE.")
    directory = find(model)
    config = read_config(directory)
    store = Store(out, settings.provenance(config, sha256(directory)))
    sources = discover(inputs or [], None if files_from is None else _lines(files_from))
    if dry_run:
        _show_plan(make_plan(sources, {} if restart else store.done()), sources, json)
        return
    if model is None:
        console.info(f"model: {config.name} (bundled), {config.trained_on}")
    with store.locked():
        plan = make_plan(sources, {} if restart else store.done())
        encoders = options.places(encoder_dir, download=model is not None)
        summary = _run(plan, store, settings, restart, partial(_load, directory, device, encoders))
    _show_summary(summary, store, json)
    if summary.failures:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _run(plan: Plan, store: Store, settings: LabelSettings, restart: bool, load: Callable[[], Predictor]) -> Summary:
    if not plan.n_todo:
        from pcqtool.labelling.summary import Summary

        store.finish()
        return Summary(n_done_before=plan.n_done)
    from pcqtool.labelling.run import label

    predictor = load()
    console.debug(f"device: {predictor.device}, {settings.n_jobs} decoding threads, batches of {settings.batch_size}")
    if restart:  # not before the model has turned out to be usable
        store.restart()
    with console.progress(plan.n_todo, "files") as progress:
        return label(plan, store, predictor, settings, on_file=lambda source: progress.advance())


def _load(directory: Path, device: str, encoders: Places) -> Predictor:
    from pcqtool.model.predictor import Predictor

    return Predictor(directory, device, encoders)


def _lines(files_from: str) -> list[str]:
    r"""Read a list of paths, which may hold any bytes; ended by NUL (``find -print0``) if there is one, else by \n."""
    try:
        data = sys.stdin.buffer.read() if files_from == "-" else Path(files_from).read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read the list {files_from}: {error.strerror}") from error
    separator = "\0" if b"\0" in data else "\n"
    return os.fsdecode(data.removeprefix(codecs.BOM_UTF8)).split(separator)


def _show_plan(plan: Plan, sources: Sequence[Source], json: bool) -> None:
    from pcqtool.audio.tracks import probe

    hours, unreadable = 0.0, 0
    for source in (source for part in plan.parts for source in part):
        try:
            duration_s, _, _ = probe(source.path)
            hours += (duration_s or 0.0) / 3600.0
        except PcqtoolError:
            unreadable += 1
    facts = {
        "files": len(sources),
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


def _show_summary(summary: Summary, store: Store, json: bool) -> None:
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
            "files": f"{summary.n_files:,} labelled"
            + (f" ({summary.n_replaced:,} changed since)" if summary.n_replaced else "")
            + (f", {summary.n_done_before:,} done before" if summary.n_done_before else ""),
            "audio": f"{summary.audio_s / 3600:.2f} h, {speed:.0f} × real time" if summary.audio_s else None,
            "status": ", ".join(f"{status} {count:,}" for status, count in summary.statuses.most_common()),
            "labels": ", ".join(f"{name} {count:,}" for name, count in summary.labels.most_common()),
            "table": store.out if store.is_table else store.out / "files",
            "segments": table_path(store.out, "segments") if store.is_table else store.out / "segments",
        }
    )
