"""``pcqtool extract``: features of recordings, as Parquet tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pcqtool.cli.common import batch_run, console, options, values

if TYPE_CHECKING:
    from pcqtool.features.task import Extraction


def extract(
    inputs: options.Inputs = None,
    out: options.Out = Path("features.parquet"),
    files_from: options.FilesFrom = None,
    what: Annotated[
        str,
        typer.Option(
            "--what",
            metavar="NAME",
            help="fusion (a model's vector), frames (of a speech encoder), spectrogram (300 × 200), or statistics.",
        ),
    ] = "fusion",
    of: Annotated[
        str,
        typer.Option("--of", metavar="NAME", help="With --what statistics: frames, fusion or spectrogram."),
    ] = "frames",
    layer: Annotated[
        int | None,
        typer.Option(
            "--layer",
            metavar="N",
            help="Hidden state of the encoder: 0 before its first layer, -1 the last. Without it: what the model uses.",
        ),
    ] = None,
    model: options.Model = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            metavar="DIR|ID",
            help="Take frames from this pre-trained encoder, not a model's: a directory, or a Hub id.",
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
    max_duration: options.MaxDuration = "24h",
    max_channels: options.MaxChannels = 64,
    timeout: options.Timeout = "300s",
    shard: options.Shard = "1/1",
    root: options.TableRoot = None,
    moved: options.Moved = False,
    restart: options.Restart = False,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Extract features: arrays of segments, statistics of files.

    A second run over the same inputs does only what is new or changed. A file that cannot be read becomes a row with
    the reason. With --what statistics, segments have no arrays.
    """
    from pcqtool.batch.output import RunOutput
    from pcqtool.batch.shard import Shard
    from pcqtool.features.settings import FeatureSettings
    from pcqtool.features.sources import origin

    settings = FeatureSettings(
        **values.hearing(channels, vad, jobs, max_duration, max_channels, timeout),
        what=what,
        of=of,
        layer=layer,
    )
    share = Shard.parse(shard)
    found = batch_run.find(inputs, files_from, since)
    source = origin(settings, model, encoder, values.places(encoder_dir, download=model is not None))
    identity = source.identify()
    provenance = settings.provenance(identity.name, identity.sha256, identity.settings)
    store = RunOutput(out, provenance, settings.columns(), share)
    course = batch_run.RunOptions(restart, retry_failed, max_failures, root=root, moved=moved)
    if dry_run:
        batch_run.show_plan(batch_run.plan(store, found, course), json)
        return
    console.info(f"{settings.feature} by {identity.name}" + (f", {identity.about}" if identity.about else ""))

    def load() -> Extraction:
        from pcqtool.features.task import Extraction
        from pcqtool.model.device import choose_devices

        first, *others = (source.network(each) for each in choose_devices(device))
        names = ", ".join(str(network.device) for network in (first, *others))
        console.debug(f"device: {names}, each segment's {settings.feature} of shape {list(first.shape)}")
        suited = replace(settings, batch_size=values.batch_size(batch_size, device))
        return Extraction(first, suited, others)

    batch_run.run(store, found, load, verb="extracted", course=course, json=json)
