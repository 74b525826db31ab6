"""``pcqtool extract``: features of recordings, as Parquet tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pcqtool.cli.common import job_report, options


def extract(
    inputs: options.Inputs = None,
    out: options.Out = Path("features.parquet"),
    files_from: options.FilesFrom = None,
    what: Annotated[
        Literal["fusion", "frames", "spectrogram", "statistics"],
        typer.Option(
            "--what",
            help="A model's fusion vector, a speech encoder's frames, the spectrogram (300 × 200), or statistics only.",
        ),
    ] = "fusion",
    of: Annotated[
        Literal["frames", "fusion", "spectrogram"],
        typer.Option("--of", help="Feature whose statistics are computed, with --what statistics."),
    ] = "frames",
    layer: Annotated[
        int | None,
        typer.Option(
            "--layer",
            metavar="N",
            help="Hidden state of the encoder: 0 is the input of its first layer, -1 the output of its last. "
            "Default: the model's own choice.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    model: options.Model = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            metavar="DIR|ID",
            help="Pre-trained encoder for frames, instead of a model's: a directory, or a Hub id.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    encoder_dir: options.EncoderDir = None,
    device: options.Devices = "auto",
    jobs: options.Jobs = 0,
    batch_size: options.BatchSize = None,
    channels: options.Channels = "auto",
    vad: options.Vad = "on",
    since: options.Since = None,
    max_failures: options.MaxFailures = None,
    retry_failed: options.RetryFailed = False,
    max_duration: options.MaxDuration = options.MAX_DURATION_S,
    max_channels: options.MaxChannels = options.MAX_CHANNELS,
    timeout: options.Timeout = options.TIMEOUT_S,
    shard: options.Shard = "1/1",
    root: options.TableRoot = None,
    moved: options.Moved = False,
    restart: options.Restart = False,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Compute features of recordings, by segment and file.

    Each segment gets an array, each file its statistics; with --what statistics, segments have no arrays. A second run
    over the same inputs processes only new and changed recordings. A recording that cannot be read becomes a row with
    the reason.
    """
    job_report.load_decoders(dry_run, timeout)
    from pcqtool.features.api import extract_job

    job = extract_job(
        inputs or (),
        out,
        listed=job_report.read_list(files_from),
        what=what,
        of=of,
        layer=layer,
        model=model,
        encoder=encoder,
        encoder_dir=encoder_dir,
        device=device,
        shard=shard,
        jobs=jobs,
        batch_size=batch_size,
        channels=channels,
        vad=vad == "on",
        since_s=since,
        max_failures=max_failures,
        retry_failed=retry_failed,
        max_duration_s=max_duration,
        max_channels=max_channels,
        timeout_s=timeout,
        root=root,
        moved=moved,
        restart=restart,
    )
    job_report.run_and_report(job, "extracted", dry_run, json)
