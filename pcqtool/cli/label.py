"""``pcqtool label``: emotion probabilities for recordings, as Parquet tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pcqtool.cli.common import job_report, metrics_file, options
from pcqtool.labelling.event_rule import EventRule

EVENTS = "Events"


def label(
    inputs: options.Inputs = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="PATH",
            help="A .parquet file; a .csv or .xlsx file, with the table beside it as .parquet; or a directory for a "
            "table in parts.",
        ),
    ] = Path("results.parquet"),
    files_from: options.FilesFrom = None,
    model: options.Model = None,
    encoder_dir: options.EncoderDir = None,
    device: options.Devices = "auto",
    precision: options.Precision = "auto",
    runtime: Annotated[
        Literal["auto", "openvino", "torch"],
        typer.Option(
            "--runtime",
            help="What computes the model. openvino is faster; it computes networks like that of pcq-mini on the "
            "processor. auto: openvino where it can, else torch.",
            rich_help_panel=options.MODEL,
        ),
    ] = "auto",
    jobs: options.Jobs = 0,
    batch_size: options.BatchSize = None,
    channels: options.Channels = "auto",
    vad: options.Vad = "on",
    segments: Annotated[
        Literal["grid", "speech"],
        typer.Option(
            "--segments",
            help="Where to cut: every 3 s, or at the pauses between stretches of speech of at most 3 s.",
            rich_help_panel=options.AUDIO,
        ),
    ] = "grid",
    hop: Annotated[
        float | None,
        typer.Option(
            "--hop",
            metavar="SECONDS",
            help="From one segment's start to the next; below 3, segments overlap and time is finer. Default: 3.",
            rich_help_panel=options.AUDIO,
        ),
    ] = None,
    turns: Annotated[
        Path | None,
        typer.Option(
            "--turns",
            metavar="FILE.rttm|DIR",
            help="Who speaks when, by any diarisation: each speaker gets own segments, events and a row.",
            rich_help_panel=options.AUDIO,
        ),
    ] = None,
    aggregation: Annotated[
        Literal["mean-log", "mean", "vote", "duration", "blend"] | None,
        typer.Option(
            "--aggregation",
            help="Rule that combines segments into the file's probabilities. duration and mean-log multiply "
            "probabilities, as is right for one mood; mean is the expected share; blend passes from one to the other "
            "as segments disagree; vote counts. Default: the model's own.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            "--min-confidence",
            metavar="P",
            min=0.0,
            max=1.0,
            help="Leave a label empty if its probability is below P. Probabilities stay.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    event_confidence: Annotated[
        float,
        typer.Option(
            "--event-confidence",
            metavar="P",
            min=0.0,
            max=1.0,
            help="Probability at which an event begins; it ends below three quarters of it.",
            rich_help_panel=EVENTS,
        ),
    ] = EventRule.confidence,
    event_min_duration: Annotated[
        float,
        typer.Option(
            "--event-min-duration",
            metavar="SECONDS",
            min=0.0,
            help="Shorter events are left out.",
            rich_help_panel=EVENTS,
        ),
    ] = EventRule.min_duration_s,
    event_gap: Annotated[
        float,
        typer.Option(
            "--event-gap",
            metavar="SECONDS",
            min=0.0,
            help="Events of one emotion are joined across a gap of at most this.",
            rich_help_panel=EVENTS,
        ),
    ] = EventRule.gap_s,
    since: options.Since = None,
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            metavar="auto|off|FILE|by=REGEX",
            help="What inputs are standardised by. auto: the sound of the batch, measured once and kept with "
            "the output; by=REGEX: also that of each group, which the expression finds in the file's name; FILE: made "
            "by 'pcqtool profile'; off: the training data.",
            rich_help_panel=options.MODEL,
        ),
    ] = "auto",
    max_failures: options.MaxFailures = None,
    retry_failed: options.RetryFailed = False,
    max_duration: options.MaxDuration = options.MAX_DURATION_S,
    max_channels: options.MaxChannels = options.MAX_CHANNELS,
    timeout: options.Timeout = options.TIMEOUT_S,
    shard: options.Shard = "1/1",
    engine: options.Engine = "local",
    workers: options.Workers = 0,
    root: options.TableRoot = None,
    moved: options.Moved = False,
    restart: options.Restart = False,
    metrics: Annotated[
        Path | None,
        typer.Option(
            "--metrics",
            metavar="FILE.prom",
            help="Write figures of the run for Prometheus (node_exporter's textfile collector).",
        ),
    ] = None,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Predict the emotions of recordings, by segment, event and file.

    Without --model, pcqtool uses the small model inside the package and works offline. A second run over the same
    inputs processes only new and changed recordings. A recording that cannot be read becomes a row with the reason.
    """
    job_report.load_decoders(dry_run, timeout)
    from pcqtool.exports.api import table_and_copy
    from pcqtool.labelling.api import label_job

    table, copy = table_and_copy(out)
    with metrics_file.written(None if dry_run else metrics, table) as on_report:
        job = label_job(
            inputs or (),
            table,
            listed=job_report.read_list(files_from),
            model=model,
            encoder_dir=encoder_dir,
            device=device,
            shard=shard,
            profile=profile,
            precision=precision,
            runtime=runtime,
            aggregation=aggregation,
            min_confidence=min_confidence,
            jobs=jobs,
            batch_size=batch_size,
            channels=channels,
            vad=vad == "on",
            segments=segments,
            hop_s=hop,
            turns=turns,
            event_confidence=event_confidence,
            event_min_duration_s=event_min_duration,
            event_gap_s=event_gap,
            since_s=since,
            max_failures=max_failures,
            retry_failed=retry_failed,
            max_duration_s=max_duration,
            max_channels=max_channels,
            timeout_s=timeout,
            engine=engine,
            workers=workers,
            root=root,
            moved=moved,
            restart=restart,
        )
        job_report.run_and_report(job, "labelled", dry_run, json, copy, on_report)
