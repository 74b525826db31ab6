"""``pcqtool label``: emotion probabilities for recordings, as Parquet tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcqtool.cli.common import batch_run, console, options, values

if TYPE_CHECKING:
    from pcqtool.labelling.task import Labelling


def label(
    inputs: options.Inputs = None,
    out: options.Out = Path("results.parquet"),
    files_from: options.FilesFrom = None,
    model: options.Model = None,
    encoder_dir: options.EncoderDir = None,
    device: options.Devices = "auto",
    precision: options.Precision = "float32",
    jobs: options.Jobs = 0,
    batch_size: options.BatchSize = None,
    channels: options.Channels = "auto",
    vad: options.Vad = "on",
    aggregation: Annotated[
        str | None,
        typer.Option(
            "--aggregation",
            metavar="RULE",
            help="From segments to file: mean-log, mean, vote, duration. Without it: the model's own rule.",
        ),
    ] = None,
    since: options.Since = None,
    max_failures: options.MaxFailures = None,
    retry_failed: options.RetryFailed = False,
    max_duration: options.MaxDuration = "24h",
    max_channels: options.MaxChannels = 64,
    timeout: options.Timeout = "300s",
    shard: options.Shard = "1/1",
    engine: options.Engine = "local",
    workers: options.Workers = 0,
    root: options.TableRoot = None,
    moved: options.Moved = False,
    restart: options.Restart = False,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Label recordings: emotions of each file and segment.

    Without --model the small model inside the package is used, and no network is needed. A second run over the same
    inputs does only what is new or changed. A file that cannot be read becomes a row with the reason.
    """
    from pcqtool.batch.output import RunOutput
    from pcqtool.batch.shard import Shard
    from pcqtool.labelling.settings import LabelSettings
    from pcqtool.labelling.task import SCHEMAS
    from pcqtool.model.directory import find, model_sha256, read_config

    settings = LabelSettings(
        **values.hearing(channels, vad, jobs, max_duration, max_channels, timeout),
        aggregation=aggregation,
        precision=precision,
    )
    share = Shard.parse(shard)
    found = batch_run.find(inputs, files_from, since)
    directory = find(model)
    config = read_config(directory)
    provenance = settings.provenance(config, model_sha256(directory))
    store = RunOutput(out, provenance, {kind: schema(config.labels).names for kind, schema in SCHEMAS.items()}, share)
    course = batch_run.RunOptions(restart, retry_failed, max_failures, engine, workers, root, moved)
    if dry_run:
        batch_run.show_plan(batch_run.plan(store, found, course), json)
        return
    if model is None:
        console.info(f"model: {config.name} (bundled), {config.trained_on}")

    def load() -> Labelling:
        from pcqtool.labelling.task import Labelling
        from pcqtool.model.device import choose_devices
        from pcqtool.model.predictor import Predictor

        encoders = values.places(encoder_dir, download=model is not None)
        first, *others = (Predictor(directory, each, encoders, precision) for each in choose_devices(device))
        console.debug(f"device: {', '.join(str(predictor.device) for predictor in (first, *others))}")
        suited = replace(settings, batch_size=values.batch_size(batch_size, device))
        return Labelling(first, suited, provenance, others)

    batch_run.run(store, found, load, verb="labelled", course=course, json=json)
